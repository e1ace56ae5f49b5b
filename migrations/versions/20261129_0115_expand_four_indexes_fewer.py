"""Drop the indexes from which months and debts were added up: the sums (20261128_2140) have taken their place.

Every expense that is written had to keep them, some 60 us of PostgreSQL's time. The old code still answers the same
without them, more slowly where there are many expenses, until it is replaced.

Deploy step: before the new code starts.
Locks: nothing that reads or writes; it waits for transactions that are older than it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261129_0115"
down_revision = "20261128_2142"
branch_labels = None
depends_on = None
phase = "expand"

ALIVE = "deleted_at IS NULL"
DROPPED = (
    ("expense_month_idx", "spent_on", ["currency", "category_id", "amount_minor"], ALIVE),
    (
        "expense_converted_idx",
        "spent_on",
        ["base_currency", "currency", "amount_minor", "base_amount_minor"],
        f"{ALIVE} AND base_amount_minor IS NOT NULL",
    ),
    ("expense_lined_idx", "spent_on", ["id", "currency"], f"{ALIVE} AND line_count IS NOT NULL"),
    ("expense_shared_idx", "id", ["currency", "payer_id", "amount_minor"], f"{ALIVE} AND split_mode IS NOT NULL"),
)
"""Each by its name, what it was ordered by within a workspace, what else it held, and of which expenses."""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, *_ in DROPPED:
            op.drop_index(name, "expense", postgresql_concurrently=True, if_exists=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name, by, held, of in DROPPED:
            op.create_index(
                name,
                "expense",
                ["workspace_id", by],
                postgresql_include=held,
                postgresql_where=sa.text(of),
                postgresql_concurrently=True,
            )
