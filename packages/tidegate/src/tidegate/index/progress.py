"""How far the build of an index is, and which transactions it waits for.

CREATE INDEX CONCURRENTLY waits, without any bound, until every transaction has ended that could still see the table as
it was. Whoever looks at it wants to know two things: is it working or waiting, and for whom.
"""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.asking import fetch_all
from tidegate.database.url import redact
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

QUERY_LENGTH = 60
"""Characters of somebody else's query that are shown: enough to recognise it."""

_OLD_SNAPSHOTS = "waiting for old snapshots"

_WORDS = {
    _OLD_SNAPSHOTS: "waiting for older transactions",
    "waiting for writers before build": "waiting for writers before the build",
    "waiting for writers before validation": "waiting for writers before the validation",
    "waiting for readers before marking dead": "waiting for readers before the old index is marked dead",
    "waiting for readers before dropping": "waiting for readers before the old index is dropped",
}
"""PostgreSQL's phases in clearer words; the others are clear."""


class OpenTransaction(NamedTuple):
    """A transaction that others wait for."""

    pid: int | None
    """Nothing for a prepared transaction, which has no process."""
    name: str
    """The application; of a prepared transaction, the name it was prepared under."""
    open_s: float
    query: str
    """Shortened, without passwords, on one line; empty for a prepared transaction or when we may not see it."""

    def __str__(self) -> str:
        if self.pid is None:
            return f"the prepared transaction `{self.name}` (since {show_duration(self.open_s)})"
        query = f": {self.query}" if self.query else ""
        return f"pid {self.pid} (`{self.name}`, open for {show_duration(self.open_s)}){query}"


class BuildProgress(NamedTuple):
    """Where the build of an index is."""

    phase: str
    """As `pg_stat_progress_create_index` names it."""
    percent: int | None
    """Of this phase; nothing where PostgreSQL does not count, and while it waits."""
    waited_for: int
    waiting_for: int
    """Of the transactions that this phase waits for: how many have ended, and how many there are."""
    locker: OpenTransaction | None
    """Whom it waits for just now."""

    def __str__(self) -> str:
        words = _WORDS.get(self.phase, self.phase)
        if self.percent is not None:
            return f"{words} {self.percent} %"
        count = f" {self.waited_for}/{self.waiting_for}" if self.waiting_for else ""
        return f"{words}{count}" + (f", now {self.locker}" if self.locker else "")


def build_progress(connection: Connection, pid: int) -> BuildProgress | None:
    """How far session `pid` is with its CREATE INDEX or REINDEX; nothing when it does neither, or not any more."""
    rows = fetch_all(
        connection,
        "SELECT phase, relid, blocks_done, blocks_total, tuples_done, tuples_total, "
        "lockers_done, lockers_total, current_locker_pid FROM pg_stat_progress_create_index "
        "WHERE pid = %s AND phase IS NOT NULL",
        (pid,),
    )
    if not rows:
        return None
    phase, table, blocks_done, blocks, tuples_done, tuples, waited_for, waiting_for, locker_pid = rows[0]
    if phase.startswith("waiting"):
        named = 0 if locker_pid == pid else locker_pid
        locker = _locker(connection, named, None if phase == _OLD_SNAPSHOTS else table)
        return BuildProgress(phase, None, waited_for, waiting_for, locker)
    done, total = (blocks_done, blocks) if "scanning" in phase else (tuples_done, tuples)
    is_counted = total > 0 and "sorting" not in phase
    return BuildProgress(phase, min(100, done * 100 // total) if is_counted else None, 0, 0, None)


def old_snapshots(
    connection: Connection, older_than_s: float, *, except_pids: Collection[int] = ()
) -> list[OpenTransaction]:
    """The transactions that a build started now would have to wait for, oldest first.

    Those of this database that keep a snapshot, and prepared ones, which never end by themselves. Autovacuum is left
    out: a build does not wait for its snapshot (`WaitForOlderSnapshots` in the source of PostgreSQL).

    Args:
        older_than_s: Younger ones are likely to end by themselves.
        except_pids: Sessions of our own, beside this one.
    """
    rows = fetch_all(
        connection,
        "SELECT pid, coalesce(nullif(application_name, ''), usename, 'unknown'), "
        "extract(epoch FROM clock_timestamp() - xact_start)::float, coalesce(query, '') FROM pg_stat_activity "
        "WHERE datname = current_database() AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL "
        "AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'parallel worker') "
        "AND pid <> pg_backend_pid() AND pid <> ALL(%s) "
        "UNION ALL SELECT NULL, gid, extract(epoch FROM clock_timestamp() - prepared)::float, '' "
        "FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 3 DESC",
        (list(except_pids) or [0],),
    )
    return [_transaction(*row) for row in rows if row[2] >= older_than_s]


def _locker(connection: Connection, pid: int, table: int | None) -> OpenTransaction | None:
    """Whom the build waits for: the session `pid`, if it has a lock on the table where that is what is waited for.

    For a prepared transaction PostgreSQL names the session slot that prepared it, which by now may be free,
    somebody else's or the builder's own (measured on 15 and 18).

    Args:
        table: Whose lock holders are waited for; nothing when it is transactions with older snapshots.
    """
    rows = fetch_all(
        connection,
        "SELECT pid, coalesce(nullif(application_name, ''), usename, 'unknown'), "
        "coalesce(extract(epoch FROM clock_timestamp() - xact_start)::float, 0), coalesce(query, '') "
        "FROM pg_stat_activity a WHERE pid = %s AND pid <> pg_backend_pid() AND (%s IS NULL OR EXISTS ("
        "SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.relation = %s))",
        (pid, table, table),
    )
    rows = rows or fetch_all(
        connection,
        "SELECT NULL, x.gid, extract(epoch FROM clock_timestamp() - x.prepared)::float, '' FROM pg_prepared_xacts x "
        "JOIN pg_locks own ON own.pid IS NULL AND own.transactionid = x.transaction "
        "JOIN pg_locks l ON l.pid IS NULL AND l.virtualtransaction = own.virtualtransaction "
        "WHERE l.relation = %s AND x.database = current_database()",
        (table,),
    )
    return _transaction(*rows[0]) if rows else None


def _transaction(pid: int | None, name: str, open_s: float, query: str) -> OpenTransaction:
    line = redact(" ".join(query.split()))
    is_hidden = line == "<insufficient privilege>"
    shown = "" if is_hidden else line if len(line) <= QUERY_LENGTH else f"{line[: QUERY_LENGTH - 1]}…"
    return OpenTransaction(pid, name, open_s, shown)
