"""Let no two events claim the same place in the chain of one thing.

Deploy step: before the new code starts.
Locks: nothing that reads or writes; it reads `audit_event` twice, and waits for transactions that are older than it.
"""

from __future__ import annotations

from alembic import op

revision = "20261122_2342"
down_revision = "20261122_2341"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "audit_event_chain_key",
            "audit_event",
            ["workspace_id", "entity_id", "seq"],
            unique=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("audit_event_chain_key", "audit_event", postgresql_concurrently=True)
