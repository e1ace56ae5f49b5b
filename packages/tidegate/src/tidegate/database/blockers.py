"""Who is in the way: the transactions that hold a lock which a statement needs, and what to call them.

A statement that waits for a lock makes everybody wait who comes behind it, whatever they want to do. So who is
in the way is asked before, on a connection that waits for nobody.
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg2 import errors

from tidegate.database.asking import fetch_all
from tidegate.database.url import redact
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.sql.effects import Relation

_WEAK_TO_STRONG = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)

CONFLICTS: dict[str, frozenset[str]] = {
    "AccessShareLock": frozenset({"AccessExclusiveLock"}),
    "RowShareLock": frozenset({"ExclusiveLock", "AccessExclusiveLock"}),
    "RowExclusiveLock": frozenset(_WEAK_TO_STRONG[4:]),
    "ShareUpdateExclusiveLock": frozenset(_WEAK_TO_STRONG[3:]),
    "ShareLock": frozenset(_WEAK_TO_STRONG[2:]) - {"ShareLock"},
    "ShareRowExclusiveLock": frozenset(_WEAK_TO_STRONG[2:]),
    "ExclusiveLock": frozenset(_WEAK_TO_STRONG[1:]),
    "AccessExclusiveLock": frozenset(_WEAK_TO_STRONG),
}
"""Which modes a mode conflicts with. Source: PostgreSQL manual, table "Conflicting Lock Modes"."""

HARMLESS = frozenset({"AccessShareLock", "RowShareLock", "RowExclusiveLock"})
"""Modes that ordinary reading and writing takes: nobody's reading or writing waits for them."""

QUERY_SHOWN = 80
"""How much of a blocker's query is shown, in characters."""


class Blocker(NamedTuple):
    """A transaction that holds a lock in the way of a statement."""

    pid: int | None
    """Nothing for a prepared transaction, which no process holds."""
    application: str
    user: str | None
    state: str | None
    age_s: float | None
    """How long its transaction has been open; nothing where our role may not see that."""
    query: str | None
    relation: str
    mode: str
    is_autovacuum: bool = False
    transaction: str = ""
    """PostgreSQL's name for it, which the next one of the same session does not have."""

    def __str__(self) -> str:
        doing = f", {self.state}" if self.state and self.state != "active" else ""
        by = f" of {self.user}" if self.user else ""
        name = f"{f'pid {self.pid}' if self.pid else 'transaction'} (`{self.application}`{by}"
        shown = " ".join(redact(self.query or "").split())
        query = f": {shown[:QUERY_SHOWN]}{'…' if len(shown) > QUERY_SHOWN else ''}" if shown else ""
        age = "" if self.age_s is None else f", open for {show_duration(self.age_s)}"
        return f"{name}{age}{doing}) holds {self.mode} on {self.relation}{query}"

    @property
    def end_command(self) -> str:
        """The SQL that ends it."""
        if self.pid is None:
            return "ROLLBACK PREPARED '{}'".format(self.application.replace("'", "''"))
        return f"SELECT pg_terminate_backend({self.pid})"


def find_blockers(
    connection: Connection,
    wanted: Iterable[Relation],
    *,
    older_than_s: float,
    search_path: Iterable[str] = (),
    except_pids: Iterable[int] = (),
) -> list[Blocker]:
    """The transactions that hold, for longer than so long, a lock which conflicts with one that is wanted.

    Those of other roles whose age ours may not see (it lacks `pg_read_all_stats`) are among them, with no age.

    Children of a table and the table of an index count as the table does, since a statement locks them too.
    Names that lead nowhere are left out: the statement itself will say so.

    Args:
        wanted: Relations with the lock mode that the statement needs.
        older_than_s: In seconds; younger transactions are expected to end by themselves in time.
        search_path: Where names without a schema are looked for, in order.
        except_pids: Sessions of ours.
    """
    wants = [(relation.schema, relation.name, sorted(CONFLICTS.get(relation.mode, ()))) for relation in wanted]
    wants = [want for want in wants if want[2]]
    if not wants:
        return []
    values = ", ".join(["(%s::text, %s::text, %s::text[])"] * len(wants))
    arguments = [value for want in wants for value in want]
    rows = fetch_all(
        connection,
        _BLOCKERS.format(values=values),
        (*arguments, list(search_path), older_than_s, list(except_pids)),
    )
    return [Blocker(*row) for row in rows]


def blockers_of(connection: Connection, pid: int) -> list[Blocker]:
    """Whom the session waits for at this moment, with the lock that it waits for."""
    return [Blocker(*row) for row in fetch_all(connection, _WAITED_FOR, (pid, pid))]


def cancel_autovacuum(connection: Connection, relation: str) -> None:
    """Wait for a table until PostgreSQL has cancelled the autovacuum that works on it, without anybody waiting for us.

    PostgreSQL cancels an autovacuum that somebody has been waiting for, for `deadlock_timeout` (1 s), which is longer
    than a lock timeout. So we wait for it in a mode that is in nobody's way but another VACUUM's. One that prevents
    wraparound is not cancelled and stays in the way.

    Args:
        relation: As `regclass` shows it, with quotes.
    """
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                "BEGIN; SELECT set_config('lock_timeout', (setting::int + 500)::text, true) FROM pg_settings "
                "WHERE name = 'deadlock_timeout'"
            )
            cursor.execute(f"LOCK TABLE ONLY {relation} IN SHARE UPDATE EXCLUSIVE MODE")
        except (errors.LockNotAvailable, errors.InsufficientPrivilege, errors.WrongObjectType):
            pass  # it stays in the way, and is waited for as everybody else
        finally:
            cursor.execute("ROLLBACK")


def awaited_lock(connection: Connection, pid: int) -> tuple[str, str, str] | None:
    """Schema, name and mode of the relation's lock that the session waits for at this moment."""
    rows = fetch_all(
        connection,
        "SELECT n.nspname, c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = %s AND NOT l.granted LIMIT 1",
        (pid,),
    )
    return rows[0] if rows else None


def holds_others_up(connection: Connection, pids: Iterable[int]) -> bool:
    """Whether one of the sessions holds what readers or writers of something committed may be waiting for.

    A lock on a table in a strong mode, or, seen by the mode that goes with it, a lock on some of its rows. Tables
    that a session has made itself are not seen: our snapshot does not have them.
    """
    rows = fetch_all(
        connection,
        "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
        "WHERE l.pid = ANY(%s) AND l.granted AND l.locktype = 'relation' AND NOT l.mode = ANY(%s) "
        "AND c.relkind IN ('r', 'p', 'm', 'f', 'v', 'S', 'i', 'I') AND c.relnamespace <> 'pg_catalog'::regnamespace "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1",
        (list(pids), ["AccessShareLock", "ShareUpdateExclusiveLock"]),
    )
    return bool(rows)


_BLOCKERS = """
WITH RECURSIVE wanted (schema, name, modes) AS (VALUES {values}),
path AS (SELECT schema, place FROM unnest(%s::text[]) WITH ORDINALITY AS p (schema, place)),
found (oid, modes) AS (
    SELECT (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN path p ON p.schema = n.nspname
        WHERE c.relname = w.name AND (n.nspname = w.schema OR (w.schema IS NULL AND p.place IS NOT NULL))
        ORDER BY p.place LIMIT 1
    ), w.modes FROM wanted w
    UNION
    SELECT i.inhrelid, f.modes FROM found f JOIN pg_inherits i ON i.inhparent = f.oid
),
targets AS (
    SELECT oid, modes FROM found WHERE oid IS NOT NULL
    UNION SELECT x.indrelid, f.modes FROM found f JOIN pg_index x ON x.indexrelid = f.oid
)
SELECT l.pid, coalesce(p.gid, nullif(a.application_name, ''), a.backend_type, 'unknown'), coalesce(a.usename, p.owner),
    CASE WHEN p.gid IS NOT NULL THEN 'prepared' ELSE a.state END,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float, a.query,
    min(l.relation::regclass::text), min(l.mode), coalesce(a.backend_type = 'autovacuum worker', false),
    l.virtualtransaction
FROM pg_locks l JOIN targets t ON t.oid = l.relation AND l.mode = ANY(t.modes)
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
    AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND coalesce(coalesce(a.xact_start, p.prepared) < clock_timestamp() - make_interval(secs => %s), true)
    AND NOT coalesce(l.pid = ANY(%s::int[]), false)
GROUP BY 1, 2, 3, 4, 5, 6, 9, 10 ORDER BY 5 DESC NULLS LAST
"""

_WAITED_FOR = """
SELECT b.pid, coalesce(nullif(a.application_name, ''), a.backend_type, 'unknown'), a.usename, a.state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float, a.query,
    coalesce(w.relation::regclass::text, w.locktype, 'a lock'), coalesce(h.mode, w.mode, 'a lock'),
    coalesce(a.backend_type = 'autovacuum worker', false)
FROM unnest(pg_blocking_pids(%s)) AS b (pid)
LEFT JOIN pg_stat_activity a ON a.pid = b.pid
LEFT JOIN LATERAL (SELECT * FROM pg_locks WHERE pid = %s AND NOT granted LIMIT 1) w ON true
LEFT JOIN LATERAL (
    SELECT mode FROM pg_locks WHERE pid = b.pid AND granted AND relation = w.relation LIMIT 1
) h ON true
ORDER BY 5 DESC NULLS LAST
"""
