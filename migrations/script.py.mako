"""${message}

Deploy step: (expand: before the new code starts | backfill: beside it | contract: when no old code is left)
Locks: (which tables, how strongly, for how long)

This runs while the version before it still serves. So:
- add, do not change: a new column is nullable or has a constant default; no rename, no change of type;
- a column or table is dropped in a later release than the one whose code stopped using it (contract);
- an index on a table that holds rows: `with op.get_context().autocommit_block():` and
  `postgresql_concurrently=True`, alone in its revision;
- a constraint on a table that holds rows: first NOT VALID, then VALIDATE in a revision of its own;
- many rows are changed in batches, in a backfill revision, never beside DDL;
- a new table gets `GRANT … TO expenses_app` and its policies in the revision that makes it (20261128_1730 shows how);
- nothing of `expenses` is imported: the code will change, this file may not once it is released.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
<% first = (message or "").split(" ")[0] %>\
phase = "${first if first in ("expand", "backfill", "contract") else "expand"}"


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
