"""Add to the sums what stood in the ledger before there were any.

Deploy step: before the new code starts, beside the old. Nobody waits for this, and nothing is counted twice or left
out, however much is written meanwhile (20261128_2140 says why). Doing it again does nothing.
Locks: nothing that anybody waits for. Reads the ledger once, a sixteenth of the workspaces in each transaction; one of
a million expenses takes some ten seconds.
"""

from __future__ import annotations

from alembic import op

revision = "20261128_2142"
down_revision = "20261128_2141"
branch_labels = None
depends_on = None
phase = "backfill"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for digit in "0123456789abcdef":  # the last one of a UUID is as good as a die
            op.execute(f"SELECT sum(mend_sums(id)) FROM workspace WHERE right(id::text, 1) = '{digit}'")  # noqa: S608 - a digit


def downgrade() -> None:
    """The revisions before take the sums away altogether."""
