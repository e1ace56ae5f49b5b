"""The ways to use a connection: what every request asks is answered by the driver, and means the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import DBAPIError
from tests.conftest import borrowed, execute, operators_session
from tests.ledger.recording import record

from expenses.accounts.tables import user_account
from expenses.db import HotQuery, connect, create_service_engine, release, transaction
from expenses.ids import uuid7
from expenses.isolation import act_as

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Clock, Person

    from expenses.config import Settings
    from expenses.db import Session

pytestmark = pytest.mark.anyio

ACCOUNT = select(user_account).where(user_account.c.email == bindparam("email"), user_account.c.disabled_at.is_(None))
HOT = HotQuery(ACCOUNT)
END_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


async def test_a_hot_query_answers_what_the_statement_answers(session: Session, anna: Person) -> None:
    plain = (await session.execute(ACCOUNT, {"email": anna.user.email})).one()
    hot = await HOT.first(session, email=anna.user.email)
    assert tuple(hot) == tuple(plain)
    assert (hot.id, hot.created_at) == (anna.user.id, anna.user.created_at)
    assert await HOT.first(session, email="nobody@example.org") is None


async def test_a_hot_query_sees_what_its_transaction_did_and_nobody_else_does(
    app: FastAPI, session: Session, clock: Clock
) -> None:
    new = {"id": uuid7(clock()), "email": "carla@example.org", "display_name": "Carla", "password_hash": "-"}
    async with operators_session(app) as other:
        async with transaction(session):
            await session.execute(insert(user_account), new | {"created_at": clock()})
            assert (await HOT.first(session, email="carla@example.org")).id == new["id"]
            assert await HOT.first(other, email="carla@example.org") is None
        assert (await HOT.first(other, email="carla@example.org")).id == new["id"]


async def test_a_connection_that_died_is_told_as_ever_and_the_pool_forgets_it(
    app: FastAPI, database: str, anna: Person
) -> None:
    async with app.state.engine.connect() as session:
        await act_as(session, anna.user.id)
        assert await HOT.first(session, email=anna.user.email)
        execute(database, END_OTHERS)
        with pytest.raises(DBAPIError):
            await HOT.first(session, email=anna.user.email)
    async with app.state.engine.connect() as session:
        await act_as(session, anna.user.id)
        assert await HOT.first(session, email=anna.user.email)


async def test_after_a_restart_of_the_database_no_request_fails(
    app: FastAPI, client: httpx.AsyncClient, database: str, anna: Person
) -> None:
    held = [await connect(app.state.engine) for _ in range(3)]
    for each in held:
        await release(each, engine=app.state.engine)
    assert len(app.state.engine.kept) >= 3
    execute(database, END_OTHERS)
    await asyncio.sleep(0.05)  # in which the driver's sockets are closed
    for _ in range(4):
        assert (await client.get(f"{anna.url}/expenses", headers=anna.headers)).status_code == 200


async def test_what_a_request_has_left_open_is_rolled_back(app: FastAPI, clock: Clock) -> None:
    engine = app.state.engine
    first = await connect(engine)
    driver: Any = (await first.get_raw_connection()).driver_connection
    new_id = uuid7(clock())
    new = {"id": new_id, "email": "dora@example.org", "display_name": "Dora", "password_hash": "-"}
    await act_as(first, new_id)
    await first.rollback()
    _ = await first.execution_options(isolation_level="READ COMMITTED")
    await first.execute(insert(user_account), new | {"created_at": clock()})
    assert driver.is_in_transaction()
    await release(first, engine=engine)
    assert not driver.is_in_transaction()
    assert first not in engine.kept
    async with borrowed(engine) as again:
        await act_as(again, new_id)
        assert await HOT.first(again, email="dora@example.org") is None


async def test_a_connection_that_was_left_in_another_mode_is_not_kept(app: FastAPI) -> None:
    engine = app.state.engine
    left = await connect(engine)
    _ = await left.execution_options(isolation_level="READ COMMITTED")
    await release(left, engine=engine)
    assert left not in engine.kept


async def test_a_connection_is_kept_for_the_next_request_and_counted_as_idle(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    engine = app.state.engine
    answers = [await client.get(f"{anna.url}/expenses", headers=anna.headers) for _ in range(3)]
    assert {each.status_code for each in answers} == {200}
    (kept,) = engine.kept
    async with borrowed(engine) as session:
        assert session is kept
        assert (engine.in_use, engine.idle) == (1, engine.pool.checkedin())
    assert (engine.in_use, engine.idle) == (0, engine.pool.checkedin() + 1)


async def test_what_sqlalchemy_notes_of_transactions_does_not_grow_on_a_kept_connection(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    coffee = await record(client, anna)
    for number in range(20):
        change = {"note": f"cup {number}"}
        answer = await client.patch(f"{anna.url}/expenses/{coffee['id']}", json=change, headers=anna.headers)
        assert answer.status_code == 200
        assert (await client.get(f"{anna.url}/expenses", headers=anna.headers)).status_code == 200
    async with borrowed(app.state.engine) as session:
        connection: Any = session.sync_connection
        noted = connection.connection._connection_record.finalize_callback
        assert len(noted) <= 2


async def test_who_finds_a_lost_connection_has_all_kept_ones_replaced(
    app: FastAPI, database: str, anna: Person
) -> None:
    engine = app.state.engine
    held = [await connect(engine) for _ in range(3)]
    last = held[-1]
    await act_as(last, anna.user.id)
    for each in held[:-1]:
        await release(each, engine=engine)
    assert len(engine.kept) == 2
    execute(database, END_OTHERS)
    with pytest.raises(DBAPIError):  # the driver of this one has not been told, nor have the others'
        await HOT.first(last, email=anna.user.email)
    assert not engine.kept
    await release(last, engine=engine)
    async with borrowed(engine) as session:
        await act_as(session, anna.user.id)
        assert await HOT.first(session, email=anna.user.email)


async def test_who_waits_for_a_connection_gets_the_next_that_is_given_back(settings: Settings) -> None:
    engine = create_service_engine(settings.model_copy(update={"database_pool_size": 1}))
    held = await connect(engine)
    waiting = asyncio.create_task(connect(engine))
    await asyncio.sleep(0.05)
    await release(held, engine=engine)
    other = await asyncio.wait_for(waiting, 1)
    await release(other, engine=engine)
    assert (len(engine.kept), engine.waiting) == (1, 0)
    await engine.dispose()
    assert (len(engine.kept), engine.in_use, engine.idle) == (0, 0, 0)
