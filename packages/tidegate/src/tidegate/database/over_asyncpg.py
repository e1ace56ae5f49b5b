"""The gate's connection over asyncpg, for servers that have that driver loaded: psycopg2 beside it is 6 MB.

It asks from the gate's own thread, on an event loop of its own, so that it says the truth when the server's loop is
stuck. Only for looks: a question has no arguments, and everything it does is rolled back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import asyncpg

from tidegate.database.asking import (
    ANSWER_WITHIN_S,
    CONNECT_TIMEOUT_S,
    application_name,
    lock_timeout,
    message_of,
    sqlstate_of,
)
from tidegate.errors import DatabaseRefused, DatabaseUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from tidegate.database.url import Database

NOT_UP_YET = frozenset({"57P03", "53300"})
"""SQLSTATEs that pass: the server is starting or stopping, or has no free connection."""

CLOSED_WITHIN_S = 0.5
"""How long the server gets to hear that we go; the gate's `stop` waits for a second."""

_UNDERSTOOD = frozenset(
    {
        "krbsrvname",
        "options",
        "passfile",
        "service",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
    }
)
"""What asyncpg takes of a URL beside the address; `options` it hands on to the server, as libpq does."""

_USUAL_PORT = 5432


class AsyncpgSession:
    """A connection that gets each answer in time, or an error."""

    held_up = TimeoutError
    failures = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
    bounds_each = True

    def __init__(self, database: Database, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        """One attempt at a connection.

        Args:
            answer_within_s: Upper bound for each answer.

        Raises:
            DatabaseUnreachable: No answer, or the server is starting or full.
            DatabaseRefused: It is up and refuses these credentials or has no such database.
        """
        self._answer_within_s = answer_within_s
        self._runner = asyncio.Runner()
        try:
            self._connection: Any = self._runner.run(_connect(database))
        except BaseException:
            self._runner.close()
            raise

    def cursor(self) -> _Cursor:
        """What a question is asked with."""
        return _Cursor(self)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the server answers; in a transaction, since what a look may wait for a lock is set for it alone."""
        return self._runner.run(self._rows(query))

    async def _rows(self, query: str) -> list[tuple[Any, ...]]:
        async with asyncio.timeout(self._answer_within_s):
            await self._connection.execute(f"BEGIN; SET LOCAL lock_timeout = '{lock_timeout(self._answer_within_s)}'")
            try:
                rows = await self._connection.fetch(query)
            except asyncpg.PostgresError:
                await self._connection.execute("ROLLBACK")
                raise
            await self._connection.execute("ROLLBACK")
        return [tuple(row) for row in rows]

    def close(self) -> None:
        """Tell the server, or else just go. May be called again."""
        if self._connection is not None:
            with suppress(Exception):  # whatever is wrong with it, it is gone then
                self._runner.run(self._connection.close(timeout=CLOSED_WITHIN_S))
        self._connection = None
        self._runner.close()


class _Cursor:
    """As much of a DBAPI cursor as a look needs."""

    def __init__(self, session: AsyncpgSession) -> None:
        self._session = session
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._rows = []

    def execute(self, query: str, arguments: tuple[object, ...] = (), /) -> None:
        if arguments:
            raise TypeError("a question over asyncpg takes no arguments: write its values into it, quoted")
        self._rows = self._session.rows(query)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


async def _connect(database: Database) -> Any:
    try:
        # Without a cache of statements: those break when a column's type changes, and behind some poolers.
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncpg.connect(
                **asyncpg_arguments(database),
                timeout=CONNECT_TIMEOUT_S,
                statement_cache_size=0,
                server_settings={"application_name": application_name("gate")},
            )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as exc:
        said = database.redact(message_of(exc))
        if sqlstate_of(exc) in NOT_UP_YET:
            raise DatabaseUnreachable(f"the database at {database} does not answer: {said}") from None
        raise DatabaseRefused(
            f"the database at {database} refuses: {said}",
            hint=f"correct the URL from {database.origin}: user, password and database name",
        ) from None
    except OSError as exc:  # of which a timeout is one
        said = database.redact(str(exc)) or f"nothing within {CONNECT_TIMEOUT_S} s"
        raise DatabaseUnreachable(f"the database at {database} does not answer: {said}") from None


def asyncpg_arguments(database: Database) -> dict[str, Any]:
    """Keyword arguments for `asyncpg.connect`: the address, and of what stands behind it what that driver knows."""
    given = database.libpq_arguments()
    named = {"user": "user", "password": "password", "dbname": "database"}
    arguments: dict[str, Any] = {named[name]: value for name, value in given.items() if name in named}
    if "host" in given:
        arguments["host"] = given["host"].split(",")
    if "port" in given:
        ports = [int(port or _USUAL_PORT) for port in given["port"].split(",")]
        arguments["port"] = ports if len(ports) > 1 else ports[0]
    options = {name: value for name, value in given.items() if name in _UNDERSTOOD}
    if options:
        arguments["dsn"] = f"postgresql://?{urlencode(options, quote_via=quote)}"
    return arguments
