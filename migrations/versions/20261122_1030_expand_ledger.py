"""Make the tables of the ledger: categories, expenses, and the record of who changed what.

Deploy step: before the first start. Its foreign keys lock `workspace`, `user_account` and `currency` against
writes until the commit; the new tables are empty, so nothing is checked: milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_1030"
down_revision = "20261122_1020"
branch_labels = None
depends_on = None
phase = "expand"

ALIVE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    _create_category()
    _create_expense()
    _create_audit_event()


def downgrade() -> None:
    for table in ("audit_event", "expense", "category"):
        op.drop_table(table)


def _create_category() -> None:
    op.create_table(
        "category",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="category_pkey"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "category_workspace_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "parent_id"],
            ["category.workspace_id", "category.id"],
            "category_workspace_id_parent_id_fkey",
        ),
        sa.CheckConstraint("parent_id <> id", name=op.f("category_parent_check")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("category_name_check")),
        sa.CheckConstraint("color ~ '^#[0-9a-f]{6}$'", name=op.f("category_color_check")),
    )
    op.create_index(
        "category_sibling_key",
        "category",
        ["workspace_id", "parent_id", "name"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )


def _create_expense() -> None:
    op.create_table(
        "expense",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("spent_on", sa.Date(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("merchant", sa.Text(), nullable=False),
        sa.Column("category_id", sa.Uuid()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("payer_id", sa.Uuid()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="expense_pkey"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "expense_workspace_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["currency"], ["currency.code"], "expense_currency_fkey"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "category_id"],
            ["category.workspace_id", "category.id"],
            "expense_workspace_id_category_id_fkey",
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["user_account.id"], "expense_payer_id_fkey"),
        sa.ForeignKeyConstraint(["created_by"], ["user_account.id"], "expense_created_by_fkey"),
        sa.CheckConstraint("spent_on BETWEEN '1900-01-01' AND '2199-12-31'", name=op.f("expense_spent_on_check")),
        sa.CheckConstraint(
            "amount_minor BETWEEN -1000000000000000 AND 1000000000000000", name=op.f("expense_amount_minor_check")
        ),
        sa.CheckConstraint("char_length(merchant) BETWEEN 1 AND 200", name=op.f("expense_merchant_check")),
        sa.CheckConstraint("char_length(note) <= 10000", name=op.f("expense_note_check")),
        sa.CheckConstraint("cardinality(tags) <= 20", name=op.f("expense_tags_check")),
    )
    newest_first = [sa.text("spent_on DESC"), sa.text("id DESC")]
    op.create_index("expense_page_idx", "expense", ["workspace_id", *newest_first], postgresql_where=ALIVE)
    op.create_index(
        "expense_category_page_idx", "expense", ["workspace_id", "category_id", *newest_first], postgresql_where=ALIVE
    )
    op.create_index(
        "expense_month_idx",
        "expense",
        ["workspace_id", "spent_on"],
        postgresql_include=["currency", "category_id", "amount_minor"],
        postgresql_where=ALIVE,
    )


def _create_audit_event() -> None:
    op.create_table(
        "audit_event",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB()),
        sa.Column("after", postgresql.JSONB()),
        sa.Column("request_id", sa.Text()),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="audit_event_pkey"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], "audit_event_workspace_id_fkey", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "action IN ('create', 'change', 'delete', 'restore', 'archive')", name=op.f("audit_event_action_check")
        ),
    )
    op.create_index("audit_event_entity_idx", "audit_event", ["workspace_id", "entity_id", "id"])
