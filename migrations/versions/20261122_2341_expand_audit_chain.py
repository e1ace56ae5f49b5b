"""Give every event its place in a chain, so that tampering shows, and make room for seals over all chains.

Deploy step: before the new code starts. What the old code writes meanwhile has no place in a chain; `expenses verify`
counts it with what stood there before.
Locks: `audit_event` exclusively until the commit, to add columns that are empty and a default for new rows only:
milliseconds, no row is rewritten. The new table's foreign key locks `workspace` against writes as briefly.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_2341"
down_revision = "20261122_2333"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE audit_event_position_seq")
    for name, kind in (("seq", sa.Integer()), ("hash", sa.LargeBinary()), ("position", sa.BigInteger())):
        op.add_column("audit_event", sa.Column(name, kind))
    # In a statement of its own: a column that is added with a default that changes rewrites the table.
    op.execute("ALTER TABLE audit_event ALTER position SET DEFAULT nextval('audit_event_position_seq')")
    op.create_table(
        "audit_seal",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("things", sa.BigInteger(), nullable=False),
        sa.Column("loose", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "number", name="audit_seal_pkey"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], "audit_seal_workspace_id_fkey", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("audit_seal")
    for name in ("position", "hash", "seq"):
        op.drop_column("audit_event", name)
    op.execute("DROP SEQUENCE audit_event_position_seq")
