"""Find the converted expenses of a month without reading the others.

Deploy step: before the new code starts.
Locks: nothing that reads or writes; it reads `expense` twice, and waits for transactions that are older than it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0058"
down_revision = "20261123_0057"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "expense_converted_idx",
            "expense",
            ["workspace_id", "spent_on"],
            postgresql_include=["base_currency", "currency", "amount_minor", "base_amount_minor"],
            postgresql_where=sa.text("deleted_at IS NULL AND base_amount_minor IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("expense_converted_idx", "expense", postgresql_concurrently=True)
