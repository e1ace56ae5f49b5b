"""Add visits. Locks nothing that exists."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
phase = "expand"


def upgrade() -> None:
    """Add the table."""
    op.create_table("visit", sa.Column("at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False))


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("visit")
