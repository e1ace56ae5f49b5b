"""Index what is in the trash by the time of its deletion, for the page that shows it and the command that empties it.

Deploy step: before the new code starts. Locks: `expense` against other changes of its structure, not against reading
and writing. Reads the table once, about 1 s for each million expenses; the index holds only what is in the trash.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0031"
down_revision = "20261123_0027"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "expense_trash_idx",
            "expense",
            ["workspace_id", sa.text("deleted_at DESC"), sa.text("id DESC")],
            postgresql_where=sa.text("deleted_at IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("expense_trash_idx", "expense", postgresql_concurrently=True)
