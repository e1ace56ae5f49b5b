"""Drop the index that `audit_event_chain_key` takes the place of: both begin with the workspace and the thing.

Deploy step: after the index before it; the old code finds the events of one thing by the new one and sorts them.
Locks: `audit_event` exclusively for an instant, once no transaction uses the index; it waits for them without a lock.
"""

from __future__ import annotations

from alembic import op

revision = "20261122_2343"
down_revision = "20261122_2342"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("audit_event_entity_idx", "audit_event", postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "audit_event_entity_idx",
            "audit_event",
            ["workspace_id", "entity_id", "id"],
            postgresql_concurrently=True,
        )
