"""Make the tables of invitations and of former members.

Deploy step: before the new code starts.
Locks: their foreign keys lock `workspace` and `user_account` against writes until the commit; the new tables are
empty, so nothing is checked: milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_2358"
down_revision = "20261122_2357"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "former_member",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="former_member_pkey"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], "former_member_workspace_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "former_member_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("former_member_user_id_idx", "former_member", ["user_id"])
    op.create_table(
        "invitation",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True)),
        sa.Column("accepted_by", sa.Uuid()),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="invitation_pkey"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "invitation_workspace_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["created_by"], ["user_account.id"], "invitation_created_by_fkey", ondelete="CASCADE"),
        sa.CheckConstraint("role IN ('admin', 'member', 'viewer')", name=op.f("invitation_role_check")),
        sa.CheckConstraint("char_length(note) <= 100", name=op.f("invitation_note_check")),
    )
    op.create_index("invitation_token_key", "invitation", ["workspace_id", "token_hash"], unique=True)
    op.create_index("invitation_created_by_idx", "invitation", ["created_by"])


def downgrade() -> None:
    op.drop_table("invitation")
    op.drop_table("former_member")
