"""Index the words, tags and payers of expenses, so that what is rare is found without reading the others.

Deploy step: before the new code starts. Locks: `expense` against other changes of its structure, not against reading
and writing. Takes about 20 s for each million expenses.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0004"
down_revision = "20261123_0003"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "expense_search_idx",
            "expense",
            ["workspace_id", "payer_id", "tags", sa.text("expense_text(merchant, note, tags) gin_trgm_ops")],
            postgresql_using="gin",
            # Writes only add to a list of pending entries, and each search reads it: 1 MB keeps both short.
            postgresql_with={"gin_pending_list_limit": 1024},
            postgresql_where=sa.text("deleted_at IS NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("expense_search_idx", "expense", postgresql_concurrently=True)
