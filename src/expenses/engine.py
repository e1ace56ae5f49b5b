"""Engine and connection for asyncio, over SQLAlchemy's Core alone.

In place of `sqlalchemy.ext.asyncio`, which imports the ORM: 7 MB of every server, for what nothing here uses. As there,
SQLAlchemy's own connection works in a greenlet that hands over whatever must be awaited, so that pools, transactions,
lost connections and cancelled requests are SQLAlchemy's business (docs/decisions/0033). It has what the service asks
for, by the same names, and not more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVarTuple, overload

from sqlalchemy import create_engine
from sqlalchemy.util.concurrency import greenlet_spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
    from types import TracebackType
    from typing import Self, TypeAlias

    from sqlalchemy import Connection, CursorResult, Engine, Executable, Pool, PoolProxiedConnection, Row, Transaction
    from sqlalchemy.sql.selectable import TypedReturnsRows

    Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
    _Columns: TypeAlias = tuple[Any, ...]

_Ts = TypeVarTuple("_Ts")


def create_async_engine(url: str, **how: Any) -> AsyncEngine:  # noqa: ANN401 - what `sqlalchemy.create_engine` takes
    """An engine for a URL that names a driver for asyncio; nothing is opened yet."""
    return AsyncEngine(create_engine(url, **how))


class AsyncEngine:
    """Where connections come from. Events are listened to at its `sync_engine`."""

    __slots__ = ("sync_engine",)

    def __init__(self, sync_engine: Engine) -> None:
        self.sync_engine = sync_engine

    @property
    def pool(self) -> Pool:
        """The connections that are open; `dispose` makes it another one."""
        return self.sync_engine.pool

    def connect(self) -> AsyncConnection:
        """A connection that is taken from the pool when this is awaited, or entered by `async with`."""
        return AsyncConnection(self)

    async def dispose(self) -> None:
        """Close the connections that wait in the pool."""
        await greenlet_spawn(self.sync_engine.dispose)


class AsyncConnection:
    """SQLAlchemy's connection (`sync_connection`), whose calls are awaited."""

    __slots__ = ("engine", "sync_connection")

    def __init__(self, engine: AsyncEngine, sync_connection: Connection | None = None) -> None:
        self.engine = engine
        self.sync_connection = sync_connection

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        self.sync_connection = await greenlet_spawn(self.engine.sync_engine.connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        await _to_its_end(self.close())

    @property
    def _connection(self) -> Connection:
        assert self.sync_connection is not None, "await the connection, or enter it, before you use it"  # noqa: S101 - a mistake in our own code
        return self.sync_connection

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*_Ts], parameters: Parameters | None = None
    ) -> CursorResult[*_Ts]: ...

    @overload
    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[*_Columns]: ...

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[*_Columns]:
        """What the statement answers, all of it, which needs no more awaiting."""
        return await greenlet_spawn(self._connection.execute, statement, parameters)

    async def stream(self, statement: Executable, *, at_once: int) -> AsyncIterator[Row[Any]]:
        """The rows one after the other, of which so many are fetched at once. Within a transaction, as cursors are."""
        connection = self._connection
        result = await greenlet_spawn(connection.execute, statement, execution_options={"yield_per": at_once})
        while rows := await greenlet_spawn(result.fetchmany, at_once):
            for row in rows:
                yield row

    def begin(self) -> _Block:
        """`async with`: a transaction, which is committed at the end of the block, or rolled back if that raises."""
        return _Block(self._connection.begin)

    def begin_nested(self) -> _Block:
        """The same as a savepoint of the transaction that there is."""
        return _Block(self._connection.begin_nested)

    def in_transaction(self) -> bool:
        """Whether something was executed that SQLAlchemy would roll back; in autocommit mode too."""
        return self._connection.in_transaction()

    async def commit(self) -> None:
        """Commit, if a transaction has begun."""
        await greenlet_spawn(self._connection.commit)

    async def rollback(self) -> None:
        """Roll back, if a transaction has begun."""
        await greenlet_spawn(self._connection.rollback)

    async def close(self) -> None:
        """Give it back to the pool; what is not committed is rolled back."""
        await greenlet_spawn(self._connection.close)

    async def execution_options(self, **options: Any) -> Self:  # noqa: ANN401 - what SQLAlchemy's takes
        """Itself, with these options for what is executed from now on."""
        await greenlet_spawn(self._connection.execution_options, **options)
        return self

    async def get_raw_connection(self) -> PoolProxiedConnection:
        """What the pool has handed out. Opens another one if this was lost."""
        return await greenlet_spawn(getattr, self._connection, "connection")


class _Block:
    """A transaction or a savepoint, by `async with`."""

    __slots__ = ("_begin", "_transaction")

    def __init__(self, begin: Callable[[], Transaction]) -> None:
        self._begin = begin

    async def __aenter__(self) -> None:
        self._transaction = await greenlet_spawn(self._begin)
        self._transaction.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        await greenlet_spawn(self._transaction.__exit__, kind, raised, trace)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it even if whoever waits for it is cancelled meanwhile, which is told when it is done.

    A rollback that were abandoned on its way would leave a connection of which nobody knows what it is in.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as exc:
            cancelled = exc
    task.result()
    if cancelled is not None:
        raise cancelled
