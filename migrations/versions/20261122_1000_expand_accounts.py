"""Make the tables of accounts: users, API tokens, page sessions, the throttle of sign-ins.

Deploy step: before the first start. Locks nothing that exists; takes milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_1000"
down_revision = None
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="user_account_pkey"),
    )
    op.create_index("user_account_lower_email_key", "user_account", [sa.text("lower(email)")], unique=True)
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="api_token_pkey"),
        sa.UniqueConstraint("token_hash", name="api_token_token_hash_key"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "api_token_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("api_token_user_id_idx", "api_token", ["user_id"])
    op.create_table(
        "web_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("csrf_token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="web_session_pkey"),
        sa.UniqueConstraint("token_hash", name="web_session_token_hash_key"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "web_session_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("web_session_user_id_idx", "web_session", ["user_id"])
    op.create_table(
        "login_throttle",
        sa.Column("subject_hash", sa.LargeBinary(), nullable=False),
        sa.Column("drained_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_hash", name="login_throttle_pkey"),
    )
    op.create_index("login_throttle_drained_at_idx", "login_throttle", ["drained_at"])


def downgrade() -> None:
    for table in ("login_throttle", "web_session", "api_token", "user_account"):
        op.drop_table(table)
