"""Make the table of the requests that must not be done twice.

Deploy step: before the new code starts; the old code does not know it. Locks nothing: the table is new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_2351"
down_revision = "20261122_2348"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("headers", postgresql.JSONB(none_as_null=True)),
        sa.Column("body", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", "key", name="idempotency_key_pkey"),
    )
    op.create_index("idempotency_key_created_at_idx", "idempotency_key", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotency_key")
