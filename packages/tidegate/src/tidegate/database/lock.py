"""One runner: the mutex, which a run holds, and the fence, which outlives it as long as its work does.

The mutex is a session lock on the run's control connection. It is gone the moment that process dies, while
the statement of its worker may go on for minutes on the server (measured: 7.5 s beside the next migrator).
So every working session also holds the fence, shared; who comes next needs the mutex and then the fence
alone before it starts. Advisory locks belong to one database, so the keys are constants.

Both are polled. A session that blocks in `pg_advisory_lock` keeps a snapshot, and CREATE INDEX CONCURRENTLY
in the holder would wait for it for ever, with the holder's end waiting for nobody (measured).
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple

from tidegate.database.asking import fetch_all, fetch_one
from tidegate.database.record import running_run
from tidegate.errors import LockBusy
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

MUTEX = 0x7469646567617465
"""Key of the lock that one run holds: "tidegate" in ASCII."""

FENCE = 0x746964656761746A
"""Key of the lock that every working session of a run holds, shared."""

FIRST_POLL_S = 0.025
LAST_POLL_S = 0.25
"""Pauses between tries grow with the time waited, from the first to the last bound. The last is short: after a SIGKILL
the server needs up to 0.25 s to notice and a worker 0.7 s to begin, and the next run has 2 s."""

REPORT_EVERY_S = 10.0
"""How often a waiting run says whom it waits for."""


class Holder(NamedTuple):
    """A session that holds one of the two locks."""

    pid: int
    application: str
    query: str | None
    statement_s: float | None
    """Seconds since its current statement began; nothing while it is idle."""

    def __str__(self) -> str:
        busy = f", its statement runs for {show_duration(self.statement_s)}" if self.statement_s is not None else ""
        return f"pid {self.pid} (`{self.application}`{busy})"


def acquire(
    control: Connection,
    *,
    wait_s: float,
    nothing_left: Callable[[], bool],
    tell: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> bool:
    """Hold the mutex on this connection until it closes, with nobody's work left behind the fence.

    Args:
        control: In autocommit mode, so that waiting holds no snapshot.
        wait_s: Upper bound in seconds for both locks together. Zero means one attempt.
        nothing_left: Asked before each try; when it says yes, there is nothing to wait for.
        check: Called between tries; may raise, as when a signal came.

    Returns:
        Whether the lock is held; no means that `nothing_left` said yes.

    Raises:
        LockBusy: The bound passed. Carries the holder's pid and the time waited.
    """
    started = time.monotonic()
    has_mutex = False
    reported = started - REPORT_EVERY_S + 1.0  # the first report after a second: most waits are shorter
    while True:
        check()
        if nothing_left():
            fetch_one(control, "SELECT pg_advisory_unlock_all()")
            return False
        has_mutex = has_mutex or _try_mutex(control)
        if has_mutex and _fence_is_free(control):
            return True
        waited = time.monotonic() - started
        if waited >= wait_s:
            raise _busy(control, waited)
        if time.monotonic() - reported >= REPORT_EVERY_S:
            tell(_waiting_for(control, waited))
            reported = time.monotonic()
        time.sleep(min(_pause(0.0 if has_mutex else waited), max(0.0, wait_s - waited)))


def wait_for_fence(connection: Connection, *, wait_s: float = 5.0) -> None:
    """Wait until no working session is left on the server, or until the bound has passed."""
    deadline = time.monotonic() + wait_s
    while holders(connection, FENCE) and time.monotonic() < deadline:
        time.sleep(0.05)


def holders(connection: Connection, key: int) -> list[Holder]:
    """The sessions that hold a key in this database."""
    rows = fetch_all(
        connection,
        "SELECT l.pid, coalesce(nullif(a.application_name, ''), a.usename, 'unknown'), a.query, "
        "CASE WHEN a.state = 'active' THEN extract(epoch FROM clock_timestamp() - a.query_start)::float END "
        "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND l.classid = %s AND l.objid = %s AND l.pid <> pg_backend_pid() ORDER BY l.pid",
        key_halves(key),
    )
    return [Holder(*row) for row in rows]


def key_halves(key: int) -> tuple[int, int]:
    """How `pg_locks` shows a 64-bit key: `classid` and `objid`."""
    return key >> 32, key & 0xFFFFFFFF


def _try_mutex(control: Connection) -> bool:
    return bool(fetch_one(control, "SELECT pg_try_advisory_lock(%s)", (MUTEX,))[0])


def _fence_is_free(control: Connection) -> bool:
    """Whether nobody works behind the fence. Call it with the mutex held.

    The fence is let go again at once: the worker of this run takes it, shared, and then makes sure that its
    parent still holds the mutex. Whoever comes next gets the mutex only after that parent is gone, and by
    then the worker's fence is up.
    """
    query = "SELECT CASE WHEN pg_try_advisory_lock(%s) THEN pg_advisory_unlock(%s) ELSE false END"
    return bool(fetch_one(control, query, (FENCE, FENCE))[0])


def _pause(waited: float) -> float:
    bound = min(LAST_POLL_S, max(FIRST_POLL_S, waited / 8))
    return bound * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, so that replicas do not poll in step


def _blockers(control: Connection) -> tuple[list[Holder], str]:
    """Whom this session waits for, and for which of the two locks."""
    mutex = holders(control, MUTEX)
    return (mutex, "the migration lock") if mutex else (holders(control, FENCE), "a statement that a killed run left")


def _waiting_for(control: Connection, waited: float) -> str:
    found, what = _blockers(control)
    run = running_run(control)
    since = f", run {run.id} by {run.who} on {run.host}" if run else ""
    names = "; ".join(map(str, found)) or "nobody any more"
    return f"waiting for {what} ({show_duration(waited)} so far): {names}{since}"


def _busy(control: Connection, waited: float) -> LockBusy:
    found, what = _blockers(control)
    pid = found[0].pid if found else None
    end = f", or end it with `SELECT pg_terminate_backend({pid})`" if pid else ""
    return LockBusy(
        f"waited {show_duration(waited)} for {what}, still held by {'; '.join(map(str, found)) or 'somebody'}",
        hint=f"see `tidegate status`, wait longer with `--lock-wait 30m` (env: TIDEGATE_LOCK_WAIT){end}",
        holder_pid=pid,
        waited_s=waited,
    )
