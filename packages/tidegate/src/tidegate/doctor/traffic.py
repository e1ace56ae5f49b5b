"""What sessions do: who holds the two locks, what a run left running, which transactions stay open for long."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.asking import fetch_all, fetch_one
from tidegate.database.lock import FENCE, MUTEX, key_halves
from tidegate.doctor.finding import Finding
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

_OURS = "(SELECT oid FROM pg_database WHERE datname = current_database())"

HIDDEN = "<insufficient privilege>"
"""What `pg_stat_activity` shows in place of another role's query."""


class Session(NamedTuple):
    """A session on the server, as far as this role may see it."""

    pid: int
    application: str
    user: str | None
    state: str | None
    query: str | None
    since_s: float | None
    """Seconds since it last began or ended a statement."""

    def __str__(self) -> str:
        name = f" (`{self.application}`)" if self.application else ""
        return f"pid {self.pid}{name}" + (f" of `{self.user}`" if self.user and not name else "")

    @property
    def doing(self) -> str:
        """What it does, and for how long, as a clause."""
        if self.state is None or self.since_s is None:
            return "this role may not see what it does"
        text = " ".join((self.query or "").split())[:300]
        if self.state == "active":
            return f"executing for {show_duration(self.since_s)}: {text}"
        return f"{self.state} for {show_duration(self.since_s)}, its last statement was: {text}"


def holders_of(connection: Connection, key: int) -> list[Session]:
    """The other sessions of this database that hold one of the two locks."""
    rows = fetch_all(
        connection,
        "SELECT l.pid, coalesce(a.application_name, ''), a.usename, a.state, a.query, "  # noqa: S608 - a constant
        "extract(epoch FROM clock_timestamp() - a.state_change)::float "
        "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
        f"WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = {_OURS} "
        "AND l.classid = %s AND l.objid = %s AND l.pid <> pg_backend_pid() ORDER BY l.pid",
        key_halves(key),
    )
    return [Session(*row) for row in rows]


def orphans(connection: Connection) -> Iterator[Finding]:
    """Sessions behind the fence while nobody holds the lock: what a killed run left.

    Called on the connection that holds the lock, as `--fix` does, it counts that one as nobody.
    """
    behind = holders_of(connection, FENCE)
    if not behind or holders_of(connection, MUTEX):
        return
    for session in behind:
        end = tuple(f"SELECT pg_{verb}_backend({session.pid});" for verb in ("cancel", "terminate"))
        if (session.state or "").startswith("idle"):
            end = end[1:]
        what = f"{session} is left of a run that is gone: {session.doing}"
        yield Finding("orphaned_statement", what, end[:1], fix=end, subject=session.pid)


def idle_transactions(connection: Connection, older_than_s: float) -> Iterator[Finding]:
    """Transactions that are open and do nothing for longer than this."""
    rows = fetch_all(
        connection,
        "SELECT pid, coalesce(application_name, ''), usename, state, query, "
        "extract(epoch FROM clock_timestamp() - state_change)::float FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%%' "
        "AND state_change < clock_timestamp() - make_interval(secs => %s) ORDER BY state_change",
        (older_than_s,),
    )
    at_work = {session.pid for key in (MUTEX, FENCE) for session in holders_of(connection, key)}
    for session in (Session(*row) for row in rows if row[0] not in at_work):
        yield Finding(
            "idle_transaction", f"{session} is {session.doing}", (f"SELECT pg_terminate_backend({session.pid});",)
        )


def prepared_transactions(connection: Connection, older_than_s: float) -> Iterator[Finding]:
    """Transactions that were prepared for two-phase commit and wait for it for longer than this."""
    rows = fetch_all(
        connection,
        "SELECT gid, quote_literal(gid), owner, extract(epoch FROM clock_timestamp() - prepared)::float "
        "FROM pg_prepared_xacts WHERE database = current_database() "
        "AND prepared < clock_timestamp() - make_interval(secs => %s) ORDER BY prepared",
        (older_than_s,),
    )
    for gid, quoted, owner, age in rows:
        what = f"transaction `{gid}` of `{owner}` was prepared {show_duration(age)} ago and never committed"
        then = f"or `COMMIT PREPARED {quoted};`: its transaction manager knows which"
        yield Finding("prepared_transaction", what, (f"ROLLBACK PREPARED {quoted};",), then=then)


def hidden_sessions(connection: Connection) -> Iterator[Finding]:
    """Say so where other sessions' work is hidden from this role."""
    row = fetch_one(
        connection,
        "SELECT count(*), quote_ident(current_user) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query = %s",
        (HIDDEN,),
    )
    if row[0]:
        what = f"{row[0]} session(s) of other roles: what they execute and for how long"
        yield Finding("not_visible", what, (f"GRANT pg_read_all_stats TO {row[1]};",))
