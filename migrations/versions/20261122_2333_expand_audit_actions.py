"""Let the record of changes take any action: the application knows which there are.

Deploy step: before the new code starts; the old code writes what it wrote.
Locks: `audit_event` exclusively until the commit, to take one constraint away: milliseconds, no row is read.

Rejected: a longer list, NOT VALID first and validated later. Every new noun would need that again, and an older
application beside a newer one would know another list.
"""

from __future__ import annotations

from alembic import op

revision = "20261122_2333"
down_revision = "20261122_1030"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.drop_constraint(op.f("audit_event_action_check"), "audit_event", type_="check")


def downgrade() -> None:
    op.execute(
        "ALTER TABLE audit_event ADD CONSTRAINT audit_event_action_check"
        " CHECK (action IN ('create', 'change', 'delete', 'restore', 'archive')) NOT VALID"
    )
