"""Index the expenses that have lines, for the month report: it looks at nothing of the others.

Deploy step: before the new code starts, or beside it. Nobody waits: the index is built concurrently, in a scan of
`expense` that finds no row to put in.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_2357"
down_revision = "20261122_2356"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "expense_lined_idx",
            "expense",
            ["workspace_id", "spent_on"],
            postgresql_include=["id", "currency"],
            postgresql_where=sa.text("deleted_at IS NULL AND line_count IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("expense_lined_idx", "expense", postgresql_concurrently=True)
