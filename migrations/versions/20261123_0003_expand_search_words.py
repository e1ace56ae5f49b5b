"""Let the database look for text: two extensions, and a function that puts an expense's texts together.

Deploy step: before the new code starts. Locks: none that anybody waits for; milliseconds.

`pg_trgm` finds text by its groups of three letters, `btree_gin` lets such an index begin with the workspace. Both come
with PostgreSQL and are trusted since 13: the owner of the database may make them, no superuser is needed. Going back
leaves them: others may use them by then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0003"
down_revision = "20261122_2358"
branch_labels = None
depends_on = None
phase = "expand"

EXTENSIONS = ("pg_trgm", "btree_gin")

# PL/pgSQL: a function in SQL is not inlined here, since `array_to_string` is only stable, and then takes 5 µs, not 1.
FUNCTION = """
CREATE FUNCTION expense_text(merchant text, note text, tags text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$ BEGIN RETURN merchant || E'\\n' || note || E'\\n' || array_to_string(tags, E'\\n'); END $$
"""


def upgrade() -> None:
    if not op.get_context().as_sql:
        _refuse_without_extensions()
    for name in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {name}")
    op.execute(FUNCTION)


def downgrade() -> None:
    op.execute("DROP FUNCTION expense_text(text, text, text[])")


def _refuse_without_extensions() -> None:
    known = set(op.get_bind().execute(sa.text("SELECT name FROM pg_available_extensions")).scalars())
    missing = [name for name in EXTENSIONS if name not in known]
    if missing:
        raise RuntimeError(
            f"This PostgreSQL server lacks {' and '.join(missing)}, which come with PostgreSQL itself. Nothing was "
            "changed. Install them on the server (Debian: in its main package; Red Hat: `postgresql-contrib`; managed "
            "services: allow the extensions), then run the same command again."
        )
