"""Make room for what guards an account: second factors, devices of sessions, and the record of what happened to it.

Deploy step: before the new code starts; the version before it serves on without noticing.
Locks: `user_account` against writes, `api_token` and `web_session` against everything, each for milliseconds (new
tables, and columns that may be empty: nothing is rewritten or scanned). The stronger locks come last.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_2348"
down_revision = "20261122_2344"
branch_labels = None
depends_on = None
phase = "expand"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "second_factor",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("enabled_at", _TIME),
        sa.Column("last_step", sa.BigInteger()),
        sa.PrimaryKeyConstraint("user_id", name="second_factor_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "second_factor_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="recovery_code_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "recovery_code_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_table(
        "sign_in_step",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="sign_in_step_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "sign_in_step_user_id_fkey", ondelete="CASCADE"),
    )
    op.create_index("sign_in_step_user_id_idx", "sign_in_step", ["user_id"])
    op.create_table(
        "account_event",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("happened_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", name="account_event_pkey"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "account_event_user_id_fkey", ondelete="CASCADE"),
    )
    op.add_column("web_session", sa.Column("device", sa.Text()))
    op.add_column("web_session", sa.Column("last_seen_at", _TIME))
    op.add_column("api_token", sa.Column("made_by", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("api_token", "made_by")
    op.drop_column("web_session", "last_seen_at")
    op.drop_column("web_session", "device")
    for table in ("account_event", "sign_in_step", "recovery_code", "second_factor"):
        op.drop_table(table)
