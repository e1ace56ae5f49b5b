"""The tables that the pending revisions touch: how large they are, and who would be in the way now."""

from __future__ import annotations

from typing import NamedTuple

from psycopg2 import errors

from tidegate.check.finding import NO_GO, OK, WARNING, Finding
from tidegate.database.asking import fetch_all, fetch_one
from tidegate.database.blockers import CONFLICTS, find_blockers
from tidegate.database.url import redact
from tidegate.report.duration import show_duration
from tidegate.sql.effects import Relation
from tidegate.sql.found import ACCESS_EXCLUSIVE, FAILS_ON_ROWS, MODES, SHARE, strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.report.forecast import Forecast
    from tidegate.sql.effects import Statement

LARGE_BYTES = 64 * 1024 * 1024
"""A table from which on reading or writing all of it is felt: half a second and more, at 100 MB a second."""

_WORK = ("rewrites", "may rewrite", "scans", "copies", "writes every row", "builds")
"""How effects begin that take as long as the table is large."""


class Table(NamedTuple):
    """A table that exists and is touched."""

    oid: int
    name: str
    """As this session would write it."""
    bytes: int | None
    """With its indexes; nothing where somebody has it locked."""
    rows: int | None
    """Estimated by the last ANALYZE; nothing before the first."""
    mode: str
    """The strongest lock that a pending revision takes on it."""
    reached_by: tuple[tuple[str | None, str], ...] = ()
    """The names in statements that lead to it: its own, its parent's, its index's."""

    def as_json(self) -> dict[str, Any]:
        """The table for scripts."""
        return {"name": self.name, "bytes": self.bytes, "rows": self.rows, "mode": self.mode}

    @property
    def size(self) -> str:
        """`1.2 GB, about 3400000 rows`."""
        size = "size unknown" if self.bytes is None else show_bytes(self.bytes)
        return size if self.rows is None else f"{size}, about {self.rows} rows"


def touched_tables(connection: Connection, forecast: Forecast) -> list[Table]:
    """The tables behind the relations that the pending revisions lock.

    Of an index its table, of a table its partitions, of one that is dropped those that its foreign keys point to.
    """
    wanted: dict[tuple[str | None, str], int] = {}
    dropped = []
    for statement in (statement for one in forecast.revisions for statement in one.foreseen):
        dropped += [lock for lock in statement.locks if statement.kind == "DROP TABLE"]
        for lock in statement.locks:
            key = lock.schema, lock.name
            wanted[key] = max(wanted.get(key, 0), strength(lock.mode))
    found = _tables(connection, wanted)
    oids = [table.oid for lock in dropped if (table := named(found, lock))]
    referenced = {
        (schema, name): strength(ACCESS_EXCLUSIVE) for schema, name in fetch_all(connection, _REFERENCED, (oids,))
    }
    return _tables(connection, wanted | referenced) if referenced else found


def _tables(connection: Connection, wanted: dict[tuple[str | None, str], int]) -> list[Table]:
    """The tables of these names, with the number of the strongest lock for each."""
    if not wanted:
        return []
    names = list(wanted)
    values = ", ".join(["(%s::int, %s::text, %s::text, %s::int)"] * len(names))
    arguments = tuple(value for number, name in enumerate(names) for value in (number, *name, wanted[name]))
    try:
        rows = fetch_all(connection, _TABLES.format(values=values, size="pg_total_relation_size(c.oid)"), arguments)
    except errors.LockNotAvailable:  # somebody holds one of them; asking its size waits for that
        rows = fetch_all(connection, _TABLES.format(values=values, size="NULL::bigint"), arguments)
    return [
        Table(oid, name, size, count, MODES[rank - 1], tuple(names[number] for number in numbers))
        for oid, name, size, count, rank, numbers in rows
    ]


def named(tables: Iterable[Table], lock: Relation) -> Table | None:
    """The table that a lock is on, with its partitions counted in; nothing if there is none."""
    found = [table for table in tables if (lock.schema, lock.name) in table.reached_by]
    if not found:
        return None
    sizes = [table.bytes for table in found if table.bytes is not None]
    rows = [table.rows for table in found if table.rows is not None]
    return found[0]._replace(bytes=sum(sizes) if sizes else None, rows=sum(rows) if rows else None)


def check_work(connection: Connection, forecast: Forecast, tables: list[Table]) -> list[Finding]:
    """Statements that cannot succeed, and those that hold the application up for as long as a large table takes."""
    found = []
    for one in forecast.revisions:
        held: dict[str, None] = {}
        for statement in one.foreseen:
            if statement.runs_alone:
                held.clear()  # what came before is committed
            table = named(tables, statement.locks[0]) if statement.locks else None
            if table is not None:
                found += _failure(connection, one.revision.id, statement, table)
                found += _duration(one.revision.id, statement, table, list(held))
                held |= {table.name: None} if statement.locks[0].mode == ACCESS_EXCLUSIVE else {}
    return found


def _failure(connection: Connection, revision: str, statement: Statement, table: Table) -> list[Finding]:
    reasons = [effect.removeprefix(FAILS_ON_ROWS) for effect in statement.effects if effect.startswith(FAILS_ON_ROWS)]
    if not reasons or not _has_rows(connection, table):
        return []
    what = f"revision {revision} will fail: {table.name} has rows, and {reasons[0]}"
    hint = "give the column a `server_default`, or add it nullable, fill it, and set it NOT NULL later"
    return [Finding("tables", NO_GO, what, hint=hint, exit_code=10)]


def _has_rows(connection: Connection, table: Table) -> bool:
    """By looking, or where that is not allowed or would have to wait, by the estimate."""
    try:
        return bool(fetch_one(connection, f"SELECT EXISTS (SELECT FROM {table.name})")[0])  # noqa: S608 - quoted by PostgreSQL
    except (errors.LockNotAvailable, errors.InsufficientPrivilege, errors.QueryCanceled):
        return bool(table.rows)


def _duration(revision: str, statement: Statement, table: Table, held: list[str]) -> list[Finding]:
    """What a statement that works through a large table keeps others from.

    Args:
        held: Tables that an earlier statement of the revision has locked with ACCESS EXCLUSIVE, until it commits.
    """
    work = [effect for effect in statement.effects if effect.startswith(_WORK)]
    if not work or statement.runs_alone or (table.bytes or 0) < LARGE_BYTES:
        return []
    what = f"revision {revision}, {statement.kind} on {table.name} ({table.size}): {work[0]}"
    strongest = max(strength(lock.mode) for lock in statement.locks)
    if strongest == strength(ACCESS_EXCLUSIVE):
        return [Finding("duration", WARNING, what, f"nobody reads or writes {table.name} for as long as that takes")]
    if held:
        why = f"an earlier statement holds ACCESS EXCLUSIVE on {', '.join(held)} until the revision commits"
        return [Finding("duration", WARNING, what, why, "do this in a revision of its own")]
    if strongest >= strength(SHARE) or statement.kind in {"UPDATE", "DELETE"}:
        return [Finding("duration", WARNING, what, f"nobody writes {table.name} for as long as that takes")]
    return []


def check_blockers(connection: Connection, tables: list[Table], *, older_than_s: float) -> list[Finding]:
    """The transactions that hold a lock now which one of the statements would have to wait for.

    Args:
        older_than_s: The lock timeout: younger transactions are expected to end in time.
    """
    wanted = [Relation(schema, name, table.mode) for table in tables for schema, name in table.reached_by]
    path = fetch_one(connection, "SELECT current_schemas(true)")[0]
    blockers = find_blockers(connection, wanted, older_than_s=older_than_s, search_path=path)
    why = "a run waits for it, outside of a transaction of its own, so that nobody waits behind the run"
    found = [
        Finding("blockers", WARNING, str(blocker), why, f"wait for it, or end it with `{blocker.end_command}`")
        for blocker in blockers
    ]
    found += _hidden_blockers(connection, tables)
    return found or [Finding("blockers", OK, "nobody holds a lock that would be in the way")]


def _hidden_blockers(connection: Connection, tables: list[Table]) -> list[Finding]:
    """Sessions of other roles, whose age this one may not see."""
    if not tables:
        return []
    values = ", ".join(["(%s::oid, %s::text, %s::text[])"] * len(tables))
    arguments = [value for table in tables for value in (table.oid, table.name, sorted(CONFLICTS[table.mode]))]
    return [
        Finding(
            "blockers",
            WARNING,
            f"pid {pid} of {user} holds {held}; for how long, this role may not see",
            hint="grant it `pg_read_all_stats`, or check as another role",
        )
        for pid, user, held in fetch_all(connection, _HIDDEN.format(values=values), tuple(arguments))
    ]


def check_snapshots(connection: Connection, statements: Iterable[Statement]) -> list[Finding]:
    """Old snapshots and prepared transactions, for which CONCURRENTLY waits whatever they look at."""
    if not any(statement.runs_alone and "CONCURRENTLY" in statement.kind for statement in statements):
        return []
    rows = fetch_all(connection, _SNAPSHOTS)
    found = []
    for pid, who, age_s, query in rows:
        what = f"{_who(pid, who)} has a snapshot that is {show_duration(age_s)} old{_query(query)}"
        why = "CONCURRENTLY waits for it, whatever table it looks at"
        found.append(Finding("snapshots", WARNING, what, why, _end(pid, who)))
    return found or [Finding("snapshots", OK, "nobody holds an old one that CONCURRENTLY would wait for")]


def show_bytes(size: float) -> str:
    """`512 kB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit in {"B", "kB"} else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def _who(pid: int | None, who: str) -> str:
    return f"pid {pid} (`{who}`)" if pid else f"prepared transaction `{who}`"


def _query(query: str | None) -> str:
    text = " ".join(redact(query or "").split())
    return f": {text[:80]}{'…' if len(text) > 80 else ''}" if text else ""


def _end(pid: int | None, who: str) -> str:
    command = f"SELECT pg_terminate_backend({pid})" if pid else f"ROLLBACK PREPARED '{who}'"
    return f"wait for it, or end it with `{command}`"


_TABLES = """
WITH RECURSIVE wanted (number, schema, name, rank) AS (VALUES {values}),
found (oid, number, rank, depth) AS (
    SELECT c.oid, w.number, w.rank, 0 FROM wanted w JOIN pg_class c ON c.relname = w.name
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = w.schema OR (w.schema IS NULL AND pg_table_is_visible(c.oid))
    UNION SELECT i.inhrelid, f.number, f.rank, f.depth + 1 FROM found f JOIN pg_inherits i ON i.inhparent = f.oid
),
tables (oid, rank, numbers, depth) AS (
    SELECT coalesce(x.indrelid, f.oid), max(f.rank), array_agg(DISTINCT f.number), min(f.depth)
    FROM found f LEFT JOIN pg_index x ON x.indexrelid = f.oid GROUP BY 1
)
SELECT c.oid, c.oid::regclass::text, {size}, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, t.rank, t.numbers
FROM tables t JOIN pg_class c ON c.oid = t.oid WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') ORDER BY t.depth, 2
"""

_REFERENCED = """
SELECT DISTINCT n.nspname, c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conrelid = ANY(%s::oid[]) AND k.confrelid <> k.conrelid
"""

_HIDDEN = """
WITH wanted (oid, name, modes) AS (VALUES {values})
SELECT l.pid, coalesce(a.usename, 'unknown'), string_agg(DISTINCT l.mode || ' on ' || w.name, ', ')
FROM pg_locks l JOIN wanted w ON w.oid = l.relation AND l.mode = ANY(w.modes)
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() AND a.xact_start IS NULL
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY 1, 2 ORDER BY 1 LIMIT 10
"""

_SNAPSHOTS = """
SELECT pid, coalesce(nullif(application_name, ''), usename, 'unknown'),
    extract(epoch FROM clock_timestamp() - xact_start)::float AS age, query
FROM pg_stat_activity WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
    AND xact_start < clock_timestamp() - interval '1 second'
UNION ALL
SELECT NULL, gid, extract(epoch FROM clock_timestamp() - prepared)::float, NULL
FROM pg_prepared_xacts WHERE database = current_database()
ORDER BY age DESC LIMIT 10
"""
