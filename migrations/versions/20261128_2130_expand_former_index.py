"""Index who has left by the time of it, for the list that is turned by the page.

Deploy step: before the new code starts. Locks: `former_member` against other changes of its structure, not against
reading and writing. Reads the table once; it has a row for each person who ever left a workspace.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261128_2130"
down_revision = "20261128_1845"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "former_member_page_idx",
            "former_member",
            ["workspace_id", sa.text("left_at DESC"), sa.text("user_id DESC")],
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("former_member_page_idx", "former_member", postgresql_concurrently=True)
