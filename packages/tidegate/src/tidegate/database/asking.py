"""Questions to the database, over whichever driver's connection: what a look needs, without loading a driver.

A connection has a cursor; what fails says why with an SQLSTATE. psycopg2's `Session` (`answer`) is such a connection,
and so is the one of `over_asyncpg`, for servers that have asyncpg loaded already.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from psycopg2.extensions import connection

    from tidegate.database.answer import Session
    from tidegate.database.over_asyncpg import AsyncpgSession

    Connection: TypeAlias = connection | AsyncpgSession
    Looking: TypeAlias = Session | AsyncpgSession
    """What the gate looks over."""

ANSWER_WITHIN_S = 10.0
"""How long the server may take for one answer before that counts as lost; what we ask takes milliseconds."""

CONNECT_TIMEOUT_S = 5
"""For one attempt; a packet that a firewall drops must not eat the whole wait."""

MISSING = frozenset({"42P01", "3F000"})
"""SQLSTATEs: no such table, no such schema."""

MAY_NOT = "42501"
"""SQLSTATE: this role lacks the privilege."""

LOCKED = "55P03"
"""SQLSTATE: a lock was not obtained within `lock_timeout`."""


def fetch_one(connection: Connection, query: str, arguments: tuple[object, ...] = ()) -> tuple[Any, ...]:
    """The first row of a query that has one."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        row = cursor.fetchone()
    if row is None:
        raise LookupError(query)
    return tuple(row)


def fetch_all(connection: Connection, query: str, arguments: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchall()


def sqlstate_of(error: BaseException) -> str | None:
    """Why the server refused; nothing if it was not the server that did."""
    found = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)  # psycopg2's name, and asyncpg's
    return found if isinstance(found, str) else None


def message_of(error: BaseException) -> str:
    """What the server said, in one line and without its details."""
    diagnosis = getattr(error, "diag", None)  # psycopg2's; asyncpg's message is the text itself
    return getattr(diagnosis, "message_primary", None) or str(error).partition("\n")[0]


def lock_timeout(within_s: float | None) -> str:
    """What a question may wait for a lock, so that the server says so before we take it for one that hangs."""
    return f"{round((within_s or ANSWER_WITHIN_S) * 800)}ms"


def bounded(connection: Connection, query: str) -> str:
    """The query with a bound on what it may wait for a lock, unless the connection gives each question one.

    The two are one transaction, and one trip to the server.
    """
    if getattr(connection, "bounds_each", False):
        return query
    return f"SET LOCAL lock_timeout = '{lock_timeout(getattr(connection, 'answer_within_s', None))}'; {query}"


def held_up(connection: Connection, reason: str) -> Exception:
    """The error of this connection's kind which says that the server lives and somebody has locked what was asked."""
    kind: type[Exception] = getattr(connection, "held_up", TimeoutError)
    return kind(reason)


def application_name(purpose: str) -> str:
    """What `pg_stat_activity` shows of us, at most 63 bytes: the purpose, the host, the process id."""
    return f"tidegate {purpose} {os.uname().nodename[:36]}/{os.getpid()}"
