"""Make room on expenses for what they were worth in the base currency.

Deploy step: before the new code starts; the old code leaves the columns empty.
Locks: `expense` exclusively until the commit, to add columns that are empty and a check of new rows: milliseconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0056"
down_revision = "20261123_0042"
branch_labels = None
depends_on = None
phase = "expand"


COLUMNS = (
    ("fx_rate", sa.Numeric()),
    ("fx_on", sa.Date()),
    ("fx_source", sa.Text()),
    ("base_currency", sa.CHAR(3)),
    ("base_amount_minor", sa.BigInteger()),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("expense", sa.Column(name, kind))
    op.execute(
        "ALTER TABLE expense ADD CONSTRAINT expense_converted_check CHECK"
        " (num_nonnulls(fx_rate, fx_on, fx_source, base_currency, base_amount_minor) IN (0, 5)) NOT VALID"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE expense DROP CONSTRAINT expense_converted_check")
    for name, _ in reversed(COLUMNS):
        op.drop_column("expense", name)
