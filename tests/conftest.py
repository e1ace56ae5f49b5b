"""One PostgreSQL for the whole test run, and for each test that asks: a fresh, migrated database, the service on it,
a clock to turn, and people who have signed up (`tests.people`).

Async tests say `pytestmark = pytest.mark.anyio`.
"""

from __future__ import annotations

import itertools
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx
import hypothesis
import psycopg2
import pytest
from sqlalchemy import event, text
from tests.migrations import migrate
from tests.people import Clock, People, Person
from tools.postgres import Cluster, temporary_cluster

from expenses.app import create_app
from expenses.config import Settings
from expenses.db import connect, release
from expenses.isolation import ROLE, act_as, enter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg.connection import LoggedQuery
    from fastapi import FastAPI
    from sqlalchemy import AdaptedConnection

    from expenses.db import ServiceEngine, Session

_numbers = itertools.count(1)

# A loaded machine is slow now and then; that is no property of the code under test.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of async tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The embedded PostgreSQL 18, empty."""
    server = temporary_cluster(wal_level="minimal", max_wal_senders="0")  # databases are copied faster then
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(cluster: Cluster) -> str:
    """Name of a database at the head of the migrations. Nobody is connected to it."""
    name = "migrated_template"
    execute(cluster.url, f"CREATE DATABASE {name}")
    migrate(cluster.database_url(name), "head")
    return name


@pytest.fixture
def database(cluster: Cluster, template_database: str) -> Iterator[str]:
    """URL, without a driver name, of a migrated database that only this test uses."""
    name = f"test_{next(_numbers)}"
    execute(cluster.url, f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY")
    yield cluster.database_url(name)
    execute(cluster.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database: str) -> Settings:
    """What the operator of the service under test says: anyone may register, cookies go over HTTPS only."""
    return Settings(database_url=database, registration="open", secure_cookies=True)  # type: ignore[arg-type]  # pydantic makes the secret


@pytest.fixture
def clock() -> Clock:
    """The clock of the service under test; it stands still until the test turns it."""
    return Clock()


@pytest.fixture
async def app(settings: Settings, clock: Clock) -> AsyncIterator[FastAPI]:
    """The service on the test's own database, started."""
    app = create_app(settings)
    app.state.clock = clock
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def statements(app: FastAPI) -> Iterator[list[str]]:
    """What the service under test sends to the database, by either way of `expenses.db`, in order."""
    sent: list[str] = []
    pool = app.state.engine.sync_engine.pool

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    def note_hot(query: LoggedQuery) -> None:
        sent.append(query.query)

    def watch(connection: AdaptedConnection, *_: object) -> None:
        connection.driver_connection.add_query_logger(note_hot)

    def unwatch(connection: AdaptedConnection, *_: object) -> None:
        connection.driver_connection.remove_query_logger(note_hot)

    listeners = (
        (app.state.engine.sync_engine, "before_cursor_execute", note),
        (pool, "checkout", watch),
        (pool, "checkin", unwatch),
    )
    for target, name, function in listeners:
        event.listen(target, name, function)
    for each in app.state.engine.kept:
        watch(each.sync_connection.connection)
    yield sent
    for target, name, function in listeners:
        event.remove(target, name, function)


class _Settled(httpx.ASGITransport):
    """Answers once what the service has left to the event loop is done: asyncpg tells its loggers of a query so."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        await anyio.lowlevel.checkpoint()
        return answer


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody nobody knows, in front of the service."""
    async with httpx.AsyncClient(transport=_Settled(app), base_url="https://testserver") as client:
        yield client


@pytest.fixture
def people(app: FastAPI) -> People:
    """Signs people up: `ben = await people.sign_up()`."""
    return People(app)


@pytest.fixture
async def anna(people: People) -> Person:
    """Somebody with a workspace of her own and a token: `client.get(f"{anna.url}/expenses", headers=anna.headers)`."""
    return await people.sign_up("anna@example.org")


@pytest.fixture
async def session(app: FastAPI) -> AsyncIterator[Session]:
    """A connection as services and queries take it, beside those of the requests. It sees what an operator sees."""
    async with operators_session(app) as connection:
        yield connection


@pytest.fixture
async def at_home(app: FastAPI, anna: Person) -> AsyncIterator[Session]:
    """A connection as a request of Anna's has it once it has entered her workspace: it sees what the service sees."""
    async with app.state.engine.connect() as connection:
        await act_as(connection, anna.user.id)
        await enter(connection, anna.workspace.id)
        yield connection


@asynccontextmanager
async def borrowed(engine: ServiceEngine) -> AsyncIterator[Session]:
    """A connection of the service, taken and given back as a request does."""
    taken = await connect(engine)
    try:
        yield taken
    finally:
        await release(taken, engine=engine)


@asynccontextmanager
async def operators_session(app: FastAPI) -> AsyncIterator[Session]:
    """A connection of the service under test that has taken back the rights of who logs in."""
    async with app.state.engine.connect() as connection:
        await connection.execute(text("SET ROLE NONE"))
        try:
            yield connection
        finally:
            await connection.execute(text(f"SET ROLE {ROLE}"))


def execute(url: str, statement: str) -> None:
    """Run one statement in autocommit mode."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()
