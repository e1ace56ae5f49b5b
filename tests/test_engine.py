"""Connections of a service whose requests are cancelled at any moment: none is lost, and none comes back half done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import event, func, insert, literal_column, select, text
from sqlalchemy.exc import DBAPIError, ResourceClosedError
from tests.conftest import borrowed, operators_session

from expenses.accounts.tables import user_account
from expenses.db import HotQuery, connect, release, transaction
from expenses.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import httpx
    from fastapi import FastAPI
    from sqlalchemy import Connection
    from tests.people import Clock, Person

    from expenses.db import ServiceEngine, Session

pytestmark = pytest.mark.anyio

ASLEEP = "wait_event = 'PgSleep'"
PID = text("SELECT pg_backend_pid()")
EMAIL = select(user_account.c.email).order_by(user_account.c.email)


async def cancelled_amid(what: str, database: str, work: Coroutine[Any, Any, None]) -> None:
    """Cancel it once the server shows this of one of its connections."""
    task = asyncio.ensure_future(work)
    await shown(what, database)
    assert task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def shown(what: str, database: str) -> None:
    query = f"SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {what}"
    connection = psycopg2.connect(database)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(query)
    while not cursor.rowcount:
        await asyncio.sleep(0.02)
        cursor.execute(query)
    connection.close()


async def sleep_in(session: Session) -> None:
    await session.execute(text("SELECT pg_sleep(5)"))


async def still_works(engine: ServiceEngine) -> int:
    """Whether all its places are free and give a connection that answers; the process at its other end."""
    assert engine.in_use == 0
    async with engine.connect() as session:
        assert not (await session.get_raw_connection()).driver_connection.is_in_transaction()  # type: ignore[union-attr]  # asyncpg's
        return int((await session.execute(PID)).scalar_one())


@pytest.fixture
def engine(app: FastAPI) -> ServiceEngine:
    found: ServiceEngine = app.state.engine
    return found


@pytest.fixture
def newcomer(clock: Clock) -> dict[str, object]:
    row = {"id": uuid7(clock()), "email": "carla@example.org", "display_name": "Carla", "password_hash": "-"}
    return row | {"created_at": clock()}


async def test_a_connection_whose_query_is_cancelled_is_thrown_away(engine: ServiceEngine, database: str) -> None:
    before = await still_works(engine)

    async def work() -> None:
        async with engine.connect() as session:
            await sleep_in(session)

    await cancelled_amid(ASLEEP, database, work())
    assert await still_works(engine) != before


async def test_so_is_one_that_was_taken_and_given_back_the_short_way(engine: ServiceEngine, database: str) -> None:
    before = await still_works(engine)

    async def work() -> None:
        session = await connect(engine)
        try:
            await sleep_in(session)
        finally:
            await release(session, engine=engine)

    await cancelled_amid(ASLEEP, database, work())
    assert await still_works(engine) != before


async def test_one_whose_hot_query_is_cancelled_answers_the_next_at_once(engine: ServiceEngine, database: str) -> None:
    async def work() -> None:
        async with borrowed(engine) as session:
            await HotQuery(select(func.pg_sleep(5))).first(session)

    await cancelled_amid(ASLEEP, database, work())
    async with asyncio.timeout(2), borrowed(engine) as session:
        assert await HotQuery(select(literal_column("17"))).first(session)
    assert await still_works(engine)


async def test_of_a_transaction_that_is_cancelled_nothing_stays(
    app: FastAPI, engine: ServiceEngine, newcomer: dict[str, object], database: str
) -> None:
    async def work() -> None:
        async with operators_session(app) as session, transaction(session):
            await session.execute(insert(user_account), newcomer)
            await asyncio.sleep(5)

    await cancelled_amid("state = 'idle in transaction'", database, work())
    await still_works(engine)
    async with operators_session(app) as session:
        assert (await session.execute(EMAIL)).all() == []


async def test_what_is_left_open_is_rolled_back_even_if_that_is_cancelled(engine: ServiceEngine, database: str) -> None:
    before = await still_works(engine)
    begun, ended = [], []

    def take_long(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        begun.append(connection)
        driver.run_async(lambda each: each.execute("SELECT pg_sleep(0.5)"))
        ended.append(connection)

    async def work() -> None:
        async with engine.connect() as session:
            _ = await session.execution_options(isolation_level="READ COMMITTED")
            await session.execute(PID)
            event.listen(engine.sync_engine, "rollback", take_long)

    await cancelled_amid(ASLEEP, database, work())
    event.remove(engine.sync_engine, "rollback", take_long)
    assert len(begun) == len(ended) == 1
    assert await still_works(engine) == before


async def test_a_request_that_is_cancelled_while_it_waits_for_a_lock_leaves_its_connection_to_others(
    engine: ServiceEngine, client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    holder = psycopg2.connect(database)
    holder.cursor().execute("LOCK TABLE expense")

    async def work() -> None:
        await client.get(f"{anna.url}/expenses", headers=anna.headers)

    await cancelled_amid("wait_event_type = 'Lock'", database, work())
    holder.close()
    await still_works(engine)
    assert (await client.get(f"{anna.url}/expenses", headers=anna.headers)).status_code == 200


async def test_a_savepoint_that_fails_leaves_its_transaction(
    app: FastAPI, clock: Clock, newcomer: dict[str, object]
) -> None:
    other = newcomer | {"id": uuid7(clock()), "email": "dora@example.org"}
    async with operators_session(app) as session:
        async with transaction(session):
            await session.execute(insert(user_account), newcomer)
            with pytest.raises(DBAPIError):
                async with transaction(session):
                    await session.execute(insert(user_account), newcomer)
            await session.execute(insert(user_account), other)
        assert (await session.execute(EMAIL)).scalars().all() == ["carla@example.org", "dora@example.org"]


async def test_rows_come_in_their_order_however_many_are_fetched_at_once(session: Session) -> None:
    for at_once in (1, 3, 10, 100):
        async with transaction(session):
            rows = session.stream(text("SELECT n FROM generate_series(1, 10) n"), at_once=at_once)
            assert [row.n async for row in rows] == list(range(1, 11))


async def test_a_connection_that_was_given_back_answers_nothing(engine: ServiceEngine) -> None:
    session = await engine.connect()
    await session.close()
    with pytest.raises(ResourceClosedError):
        await session.execute(PID)
