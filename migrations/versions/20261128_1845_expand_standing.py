"""Let one query find out who asks and how they belong to the workspace that the request names.

Deploy step: before the new code starts; the old code asks two queries, and does not look at the view.
Locks: nothing that anybody waits for; a view is new.

The view is the owner's, like those of the revision before: the query runs before it is known whose rows may be seen.
"""

from __future__ import annotations

from alembic import op

revision = "20261128_1845"
down_revision = "20261128_1730"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.execute(
        "CREATE VIEW standing AS SELECT belongs.user_id, belongs.role, place.id AS workspace_id, place.name,"
        " place.kind, place.base_currency, place.time_zone, place.created_at"
        " FROM membership AS belongs JOIN workspace AS place ON place.id = belongs.workspace_id"
    )
    op.execute("GRANT SELECT ON standing TO expenses_app")


def downgrade() -> None:
    op.execute("DROP VIEW standing")
