"""The indexes that exist, as the catalog has them, and who is building one just now. Only looks."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.asking import fetch_all, fetch_one
from tidegate.index.progress import build_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case


class Index(NamedTuple):
    """An index, or whatever else bears the name."""

    oid: int
    kind: str
    """`pg_class.relkind`: `i`, `I` for the index of a partitioned table, anything else is no index."""
    schema: str
    name: str
    shown: str
    """With its schema, quoted where that is needed."""
    table: int | None
    is_usable: bool
    """Valid, ready and live."""
    is_attached: bool
    """A part of a partitioned table's index, which cannot be dropped alone."""
    constraint: str | None
    """The primary key, unique or exclusion constraint that it serves."""

    @property
    def drop(self) -> str:
        """The statement that removes it."""
        return f"DROP INDEX CONCURRENTLY {self.shown}"


_INDEXES = """
SELECT c.oid, c.relkind, n.nspname, c.relname, format('%%I.%%I', n.nspname, c.relname), i.indrelid,
       coalesce(i.indisvalid AND i.indisready AND i.indislive, false), c.relispartition, k.conname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
"""

_BUILDERS = """
SELECT p.pid, coalesce(nullif(a.application_name, ''), a.usename, 'unknown')
FROM pg_stat_progress_create_index p LEFT JOIN pg_stat_activity a ON a.pid = p.pid
WHERE p.pid <> pg_backend_pid() AND p.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (p.index_relid = %s OR p.index_relid IS NULL AND EXISTS (
    SELECT FROM pg_locks l WHERE l.pid = p.pid AND l.granted AND l.relation = %s
    AND l.mode = 'ShareUpdateExclusiveLock'))
"""
"""Of another role's build we may be shown no more than that there is one; then its lock on the table tells."""


def find_relation(connection: Connection, schema: str | None, name: str) -> int | None:
    """The oid of a relation, found through the search path when no schema is given."""
    query = "SELECT to_regclass(concat(quote_ident(%s) || '.', quote_ident(%s)))::oid"
    oid = fetch_one(connection, query, (schema, name))[0]
    return None if oid is None else int(oid)


def beside_table(connection: Connection, table: int, name: str) -> Index | None:
    """What bears this name in the schema of the table, which is where an index of the table stands."""
    where = "WHERE c.relname = %s AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %s)"
    rows = fetch_all(connection, f"{_INDEXES} {where}", (name, table))
    return Index(*rows[0]) if rows else None


def indexes_of(connection: Connection, tables: list[int]) -> list[Index]:
    """All indexes of these tables, oldest first."""
    rows = fetch_all(connection, f"{_INDEXES} WHERE i.indrelid = ANY(%s::oid[]) ORDER BY c.oid", (tables,))
    return [Index(*row) for row in rows]


def builder_of(connection: Connection, index: Index) -> str | None:
    """Who is building this index just now and how far that is, in words; nothing when nobody is."""
    rows = fetch_all(connection, _BUILDERS, (index.oid, index.table))
    if not rows:
        return None
    pid, application = rows[0]
    progress = build_progress(connection, pid)
    return f"pid {pid} (`{application}`){f', {progress}' if progress else ''}"
