"""Look whether the expenses that were there before lines and accounts fit their constraints; they all do.

Deploy step: before the new code starts, or beside it. Reads `expense` once, without keeping anybody from writing:
`VALIDATE` locks only against changes of the table itself.
"""

from __future__ import annotations

from alembic import op

revision = "20261122_2356"
down_revision = "20261122_2355"
branch_labels = None
depends_on = None
phase = "expand"

CONSTRAINTS = ("expense_line_count_check", "expense_workspace_id_account_id_fkey")


def upgrade() -> None:
    for constraint in CONSTRAINTS:
        op.execute(f"ALTER TABLE expense VALIDATE CONSTRAINT {constraint}")


def downgrade() -> None:
    """A constraint that was checked needs no unchecking."""
