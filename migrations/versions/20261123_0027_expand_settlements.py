"""Make the table of settlements: who paid whom what they owed.

Deploy step: before the new code starts. Its foreign keys lock `workspace`, `user_account` and `currency` against
writes until the commit; the new table is empty, so nothing is checked: milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0027"
down_revision = "20261123_0017"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "settlement",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_user_id", sa.Uuid(), nullable=False),
        sa.Column("to_user_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="settlement_pkey"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "settlement_workspace_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["from_user_id"], ["user_account.id"], "settlement_from_user_id_fkey"),
        sa.ForeignKeyConstraint(["to_user_id"], ["user_account.id"], "settlement_to_user_id_fkey"),
        sa.ForeignKeyConstraint(["currency"], ["currency.code"], "settlement_currency_fkey"),
        sa.ForeignKeyConstraint(["created_by"], ["user_account.id"], "settlement_created_by_fkey"),
        sa.CheckConstraint("from_user_id <> to_user_id", name=op.f("settlement_people_check")),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 1000000000000000", name=op.f("settlement_amount_minor_check")),
        sa.CheckConstraint("paid_on BETWEEN '1900-01-01' AND '2199-12-31'", name=op.f("settlement_paid_on_check")),
        sa.CheckConstraint("char_length(note) <= 500", name=op.f("settlement_note_check")),
    )
    op.create_index("settlement_page_idx", "settlement", ["workspace_id", sa.text("paid_on DESC"), sa.text("id DESC")])


def downgrade() -> None:
    op.drop_table("settlement")
