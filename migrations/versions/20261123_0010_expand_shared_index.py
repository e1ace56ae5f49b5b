"""Index the expenses that are divided among people, to add up who owes whom without a look at the others.

Deploy step: before the new code starts, or beside it. Nobody waits: the index is built concurrently, in a scan of
`expense` that finds no row to put in.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0010"
down_revision = "20261123_0009"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "expense_shared_idx",
            "expense",
            ["workspace_id", "id"],
            postgresql_include=["currency", "payer_id", "amount_minor"],
            postgresql_where=sa.text("deleted_at IS NULL AND split_mode IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("expense_shared_idx", "expense", postgresql_concurrently=True)
