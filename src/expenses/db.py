"""The way to PostgreSQL: the table registry, the engine, and the ways to use a connection.

A request reads on a connection in autocommit mode, which costs one round trip a query; what every request asks is a
`HotQuery`. What it writes stands in one `async with transaction(session)` in one service function, so the commit has
succeeded before the response exists.
"""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncpg import InterfaceError, PostgresError, QueryCanceledError, Record
from asyncpg import connect as open_connection
from sqlalchemy import MetaData, event
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import DisconnectionError, MissingGreenlet

from expenses import isolation
from expenses.engine import AsyncConnection, AsyncEngine, create_async_engine
from expenses.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping, Sequence

    from sqlalchemy import CompoundSelect, Engine, Insert, PoolProxiedConnection, Select
    from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

    from expenses.config import Settings

Session = AsyncConnection
"""What services and queries take as their first argument: a connection, in autocommit mode unless in `transaction`."""

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    },
)
"""All tables of the service; each noun's `tables.py` adds its own. `alembic check` compares it with the migrations."""


class ServiceEngine(AsyncEngine):
    """An engine that keeps connections at hand between requests, which `connect` takes and `release` gives back.

    Taking one from SQLAlchemy's pool and giving it back takes as long as the driver takes to ask a question. The pool
    counts those that are kept as handed out, so there are never more of both than it may have; while anybody waits
    for one, none is kept.
    """

    def __init__(self, sync_engine: Engine) -> None:
        super().__init__(sync_engine)
        self.kept: list[Session] = []
        self.waiting = 0
        """How many wait for the pool to open one or to get one back."""
        event.listen(sync_engine, "handle_error", self._give_up_all)

    @property
    def in_use(self) -> int:
        """How many connections are working for somebody."""
        handed_out: int = self._pool.checkedout()
        return handed_out - len(self.kept)

    @property
    def idle(self) -> int:
        """How many are open and wait."""
        waiting: int = self._pool.checkedin()
        return waiting + len(self.kept)

    @property
    def limit(self) -> int:
        """How many there may be."""
        most: int = self._pool.size()
        return most

    @property
    def _pool(self) -> Any:  # noqa: ANN401 - a queue's, which SQLAlchemy's types do not say
        return self.sync_engine.pool

    def _give_up_all(self, error: ExceptionContext) -> None:
        # Who finds one lost lets the pool open all of them anew; the driver need not know yet that others are lost too.
        while error.is_disconnect and self.kept:
            _put_back(self.kept.pop())

    async def dispose(self) -> None:
        """Close the connections that are not in use."""
        while self.kept:
            await self.kept.pop().close()
        await super().dispose()


def create_service_engine(settings: Settings) -> ServiceEngine:
    """The engine of the service, whose connections give up the rights of who logs in; nothing is opened yet."""
    engine = ServiceEngine(_create_engine(settings, settings.sqlalchemy_url()).sync_engine)
    isolation.give_up_rights(engine)
    event.listen(engine.sync_engine.pool, "checkout", _refuse_lost)
    return engine


def create_operators_engine(settings: Settings) -> AsyncEngine:
    """The engine of commands, whose connections have the rights of the tables' owner; nothing is opened yet."""
    return _create_engine(settings, settings.owners_url())


def _create_engine(settings: Settings, url: str) -> AsyncEngine:
    """Connections start in autocommit mode, which is what a `Session` is."""
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,  # they hold password hashes and people's notes; errors and their logs repeat them
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        connect_args={"timeout": 5, "server_settings": _server_settings(settings), "async_creator_fn": _Opening},
    )


def _refuse_lost(connection: DBAPIConnection, _entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    # The driver knows at once when PostgreSQL was restarted. The pool then opens another one, and no request fails.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _server_settings(settings: Settings) -> dict[str, str]:
    said = {"application_name": "expenses"}
    if settings.statement_timeout_s:  # sent when the connection opens, so that it costs no round trip
        said["statement_timeout"] = f"{settings.statement_timeout_s}s"
    return said


async def connect(engine: ServiceEngine) -> Session:
    """A connection of this engine. Give it back with `release`.

    One that waits in the pool is taken without SQLAlchemy's greenlet, which costs twice as much as the rest.
    """
    while engine.kept:
        session = engine.kept.pop()
        if _is_at_rest(session):
            isolation.note_handed_out(session)
            return session
        await session.close()  # the driver knows that PostgreSQL was restarted
    if engine.idle:
        with contextlib.suppress(MissingGreenlet):  # a place in the pool whose connection was lost: it must be opened
            return AsyncConnection(engine, engine.sync_engine.connect())
    engine.waiting += 1
    try:
        return await engine.connect()
    finally:
        engine.waiting -= 1


async def release(session: Session, *, engine: ServiceEngine) -> None:
    """Give a connection back; what it has not committed is rolled back."""
    if not _is_at_rest(session):
        # Not `async with` around all this: that closes in a task of its own, which costs another 15 µs.
        await session.close()
    elif engine.waiting or _is_used_up(session):
        _put_back(session)
    else:
        engine.kept.append(session)


def _is_at_rest(session: Session) -> bool:
    connection = session.sync_connection
    if connection is None or connection.closed or connection.invalidated:
        return False
    driver: Any = connection.connection.driver_connection
    return not (driver.is_in_transaction() or driver.is_closed())


def _is_used_up(session: Session) -> bool:
    """Whether more than hot queries were asked by it.

    What SQLAlchemy notes of reads, and of every change of the isolation level, it forgets when a connection goes back
    to its pool: on one that is kept it would grow without end.
    """
    connection = session.sync_connection
    return connection is None or connection.in_transaction() or "isolation_level" in connection.get_execution_options()


def _put_back(session: Session) -> None:
    """Into SQLAlchemy's pool, which asks the server nothing while the connection is at rest."""
    if session.sync_connection is not None:
        session.sync_connection.close()


class _Opening:
    """`asyncpg.connect` that begins when it is awaited: `connect` above may find that it cannot wait."""

    def __init__(self, **how: object) -> None:
        self._open = partial(open_connection, **how)

    def __await__(self) -> Generator[Any, None, Any]:
        begun: Generator[Any, None, Any] = self._open().__await__()
        return begun


@asynccontextmanager
async def transaction(session: Session) -> AsyncIterator[None]:
    """One database transaction on this connection: commits when the block ends, rolls back when it raises.

    Within another one it is a savepoint, and the outer one commits: so `idempotency` keeps an answer together with
    what it tells of.
    """
    if _is_in_transaction(session):
        async with session.begin_nested():
            yield
        return
    if session.in_transaction():
        await session.rollback()  # ends SQLAlchemy's own bookkeeping of autocommit reads; sends nothing to the server
    _ = await session.execution_options(
        isolation_level="READ COMMITTED"
    )  # it answers itself, which could be awaited again
    try:
        async with session.begin():
            yield
    finally:
        _ = await session.execution_options(isolation_level="AUTOCOMMIT")


def _is_in_transaction(session: Session) -> bool:
    # `session.in_transaction()` says yes after a mere read in autocommit mode; only `transaction` sets this option.
    return session.sync_connection is not None and (
        session.sync_connection.get_execution_options().get("isolation_level") == "READ COMMITTED"
    )


class HotQuery:
    """A question that every request asks: compiled once, and answered by the driver itself where it can.

    That takes a third of the processor time of one that goes through SQLAlchemy. Columns are attributes of a row, with
    the driver's own Python values: right for text, numbers, times, UUIDs and lists of them; JSON stays text.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any] | Insert, *, identifies: bool = False) -> None:
        """`identifies`: its row says who asks, and makes the connection work for them (`isolation.acting_as`)."""
        self._statement = statement
        self._identifies = identifies
        compiled = statement.compile(dialect=asyncpg.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy has not typed its dialects
        self._sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def call(self, values: Mapping[str, object]) -> tuple[str, list[object]]:
        """The statement and its arguments as the driver takes them."""
        given = {**self._fixed, **values}
        return self._sql, [given[name] for name in self._names]

    async def rows(self, session: Session, **values: object) -> Sequence[Any]:
        """All rows, in their order. Inside of `transaction` it sees what the transaction did."""
        if not _is_in_transaction(session):
            sql, arguments = self.call(values)
            # What the driver has to complain about SQLAlchemy shall find as well: it knows what becomes of the pool.
            # But for what took too long: that is not tried again.
            with contextlib.suppress(PostgresError, InterfaceError, OSError):
                connection = _pooled(session)
                driver: Any = connection.driver_connection
                if not self._identifies:
                    await isolation.forget_former_user(connection)
                try:
                    found: list[Any] = await driver.fetch(sql, *arguments, record_class=_Row)
                except QueryCanceledError as exc:
                    raise TimedOut(retry_after_s=10) from exc
                if self._identifies and found:
                    isolation.note_overwritten(connection)
                return found
        through_sqlalchemy: Sequence[Any] = (await session.execute(self._statement, values)).all()
        return through_sqlalchemy

    async def first(self, session: Session, **values: object) -> Any:  # noqa: ANN401 - its columns are the statement's
        """The first row; None if there is none."""
        found = await self.rows(session, **values)
        return found[0] if found else None


def _pooled(session: Session) -> PoolProxiedConnection:
    # Not `get_raw_connection()`: its greenlet costs as much as the driver takes to send a query.
    connection = session.sync_connection
    if connection is None or connection.invalidated:
        raise InterfaceError("this connection is gone")
    return connection.connection


class _Row(Record):
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the column holds
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
