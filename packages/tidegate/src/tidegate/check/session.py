"""The server and the way to it: pooler, standby, free connections, another run, damage."""

from __future__ import annotations

import re

from tidegate.check.finding import NO_GO, OK, WARNING, Finding
from tidegate.database.asking import fetch_all, fetch_one
from tidegate.database.connect import refuse_pooler
from tidegate.database.lock import FENCE, MUTEX, holders
from tidegate.database.read_only import PRIMARY
from tidegate.doctor.finding import KINDS
from tidegate.errors import PoolerInTheWay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.database.answer import Session
    from tidegate.database.url import Database
    from tidegate.doctor.finding import Finding as Damage

NEEDED_CONNECTIONS = 4
"""What a run needs at its busiest: the lock, the work, and two for looking."""

FEW_CONNECTIONS = 10
"""Below that many the application and a run may get in each other's way."""


_SAID_ELSEWHERE = {"several_heads", "unknown_revision", "unreadable_files", "orphaned_statement", "stuck_holder"}
"""Kinds of damage that are the state or the lock."""

_IN_THE_WAY = {"half_done_step", "invalid_index", "detach_pending", "invalid_partition_index"}
"""Kinds that a migration may stumble over; the others are warnings: a change in two steps looks like them half-way."""


def check_server(connection: Session, database: Database) -> Finding:
    """Whether it is PostgreSQL itself that answers, and one that may be written to."""
    version, is_standby = fetch_one(connection, "SELECT current_setting('server_version'), pg_is_in_recovery()")
    try:
        is_pooled = refuse_pooler(connection, database)
    except PoolerInTheWay as exc:
        return Finding("database", NO_GO, exc.message, hint=exc.hint or "", exit_code=exc.exit_code)
    if is_standby:
        return Finding(
            "database",
            NO_GO,
            f"{database} is a standby, which can only be read",
            hint=PRIMARY,
            exit_code=13,
        )
    through = ", through a pooler that keeps sessions" if is_pooled else ""
    return Finding("database", OK, f"PostgreSQL {version} at {database}{through}")


def check_connections(connection: Connection, as_role: str | None) -> Finding:
    """Whether a run will find free connections."""
    found = fetch_all(connection, _FREE, (role_of(connection, as_role),))
    if not found:
        return Finding("connections", WARNING, f"not to be told, since there is no role `{as_role}`")
    free, limit = found[0]
    what = f"{free} of {limit} free, a run needs {NEEDED_CONNECTIONS}"
    if free >= FEW_CONNECTIONS:
        return Finding("connections", OK, what)
    hint = "stop some sessions (`pg_stat_activity` lists them), or raise `max_connections` or the role's limit"
    if free < NEEDED_CONNECTIONS:
        return Finding("connections", NO_GO, what, "a run would wait until there are enough", hint, exit_code=12)
    return Finding("connections", WARNING, what, "the application opens some meanwhile, too", hint)


def check_lock(connection: Connection) -> Finding:
    """Whether another run is at work."""
    run, fence = holders(connection, MUTEX), holders(connection, FENCE)
    if not run and not fence:
        return Finding("lock", OK, "free")
    holder = (run or fence)[0]
    if run:
        return Finding(
            "lock",
            NO_GO,
            f"another run is at work: {holder}",
            "what is said here may be over when that one is done",
            "check again when it is; `tidegate status` shows it",
            exit_code=11,
        )
    return Finding(
        "lock",
        NO_GO,
        f"a statement that a killed run left is still running: {holder}",
        "the next run waits for it",
        f"wait, or end it with `SELECT pg_terminate_backend({holder.pid})`",
        exit_code=11,
    )


def check_damage(damage: Iterable[Damage], mended: Iterable[str]) -> list[Finding]:
    """What an earlier run left behind.

    Args:
        mended: The names of the indexes that the pending revisions build anew or drop.
    """
    names = set(mended)
    found = []
    for one in damage:
        if one.kind in _SAID_ELSEWHERE:
            continue
        if one.kind == "invalid_index" and any(name in re.split(r"[`\s.]", one.what) for name in names):
            found.append(Finding("damage", WARNING, one.what, "a pending revision builds or drops it"))
        elif one.kind in _IN_THE_WAY:
            found.append(Finding("damage", NO_GO, one.what, KINDS[one.kind].why, one.hint, exit_code=15))
        else:
            found.append(Finding("damage", WARNING, one.what, KINDS[one.kind].why, one.hint))
    return found or [Finding("damage", OK, "none")]


def role_of(connection: Connection, role: str | None) -> str:
    """The role that migrates: the one that is named, or the one that connects."""
    return role or str(fetch_one(connection, "SELECT current_user")[0])


_FREE = """
WITH used AS (SELECT datid, usesysid FROM pg_stat_activity WHERE usesysid IS NOT NULL),
limits AS (
    SELECT current_setting('max_connections')::int AS most,
        CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
            + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int END AS reserved,
        r.oid AS role, CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END AS rolconnlimit,
        d.oid AS database, CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END AS datconnlimit
    FROM pg_roles r, pg_database d WHERE r.rolname = %s AND d.datname = current_database()
)
SELECT least(
    most - reserved - (SELECT count(*) FROM used),
    CASE WHEN rolconnlimit >= 0 THEN rolconnlimit - (SELECT count(*) FROM used WHERE usesysid = role) END,
    CASE WHEN datconnlimit >= 0 THEN datconnlimit - (SELECT count(*) FROM used WHERE datid = database) END
)::int, most FROM limits
"""
