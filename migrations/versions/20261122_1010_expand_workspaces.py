"""Make the tables of workspaces and of their members.

Deploy step: before the first start. Its foreign key locks `user_account` against writes until the commit: milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_1010"
down_revision = "20261122_1000"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "workspace",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_currency", sa.CHAR(3), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="workspace_pkey"),
        sa.CheckConstraint("kind IN ('household', 'company')", name=op.f("workspace_kind_check")),
    )
    op.create_table(
        "membership",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="membership_pkey"),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name=op.f("membership_role_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "membership_workspace_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "membership_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("membership_user_id_idx", "membership", ["user_id"])


def downgrade() -> None:
    op.drop_table("membership")
    op.drop_table("workspace")
