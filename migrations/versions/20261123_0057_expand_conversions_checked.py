"""Check that what an expense was worth is all there or not at all, in what is there already.

Deploy step: before the new code starts, or beside it. Reads `expense` once, without keeping anybody from writing:
`VALIDATE` locks only against changes of the table itself.
"""

from __future__ import annotations

from alembic import op

revision = "20261123_0057"
down_revision = "20261123_0056"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE expense VALIDATE CONSTRAINT expense_converted_check")


def downgrade() -> None:
    """A constraint that was checked needs no unchecking."""
