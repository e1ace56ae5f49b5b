"""Make the table of exchange rates.

Deploy step: before the new code starts.
Locks: its foreign keys lock `workspace` and `currency` against writes until the commit: milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0017"
down_revision = "20261123_0010"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "fx_rate",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.CHAR(3), nullable=False),
        sa.Column("quote", sa.CHAR(3), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(24, 12), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "base", "quote", "on_date", name="fx_rate_pkey"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "fx_rate_workspace_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["base"], ["currency.code"], "fx_rate_base_fkey"),
        sa.ForeignKeyConstraint(["quote"], ["currency.code"], "fx_rate_quote_fkey"),
        sa.CheckConstraint("base <> quote", name=op.f("fx_rate_quote_check")),
        sa.CheckConstraint("rate > 0", name=op.f("fx_rate_rate_check")),
        sa.CheckConstraint("char_length(source) BETWEEN 1 AND 100", name=op.f("fx_rate_source_check")),
    )


def downgrade() -> None:
    op.drop_table("fx_rate")
