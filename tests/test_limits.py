"""Bodies, pages and paces are bounded; who is too fast is told when to come back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from tests.browsing import open_window
from tests.people import People

from expenses import limits
from expenses.app import create_app
from expenses.config import Settings
from expenses.limits import Pace
from expenses.web.forms import LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from tests.people import Clock, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(settings: Settings, clock: Clock, **more: int) -> AsyncIterator[tuple[httpx.AsyncClient, People]]:
    """The service as an operator has set it up."""
    app = create_app(settings.model_copy(update=more))
    app.state.clock = clock
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://testserver") as client,
    ):
        yield client, People(app)


async def test_every_answer_says_how_many_requests_are_left(client: httpx.AsyncClient, anna: Person) -> None:
    first = await client.get("/api/v1/me", headers=anna.headers)
    assert first.headers["RateLimit-Policy"] == '"address";q=600;w=60'  # the token is not known to be good yet
    second = await client.get("/api/v1/me", headers=anna.headers)
    assert second.headers["RateLimit-Policy"] == '"person";q=3000;w=60'
    assert second.headers["RateLimit"] == '"person";r=2999;t=1'


async def test_who_is_too_fast_is_told_when_to_come_back(settings: Settings, clock: Clock) -> None:
    async with served(settings, clock, rate_limit=3) as (client, people):
        anna, ben = await people.sign_up(), await people.sign_up()
        codes = [(await client.get("/api/v1/me", headers=anna.headers)).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 200, 429]
        refused = await client.get("/api/v1/me", headers=anna.headers)
        assert (refused.json()["code"], refused.headers["content-type"]) == ("rate_limited", "application/problem+json")
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
        assert refused.headers["RateLimit"].startswith('"person";r=0;t=')
        assert (await client.get("/api/v1/me", headers=ben.headers)).status_code == 200
        page = await client.get("/sign-in", headers={"Accept": "text/html"})
        assert page.status_code == 200


async def test_all_tokens_of_a_person_count_together(settings: Settings, clock: Clock) -> None:
    async with served(settings, clock, rate_limit=3) as (client, people):
        anna = await people.sign_up()
        window = await open_window(people._app, client, anna)
        for _ in range(2):
            assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 200
        assert (await window.get("/api/v1/me")).status_code == 200  # not known to be good yet
        assert (await window.get("/api/v1/me")).status_code == 200
        assert (await window.get("/api/v1/me")).status_code == 200
        assert (await window.get("/api/v1/me")).status_code == 429
        assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 429


async def test_made_up_tokens_count_for_the_address_and_not_against_others(settings: Settings, clock: Clock) -> None:
    async with served(settings, clock, rate_limit_address=4) as (client, people):
        anna = await people.sign_up()
        assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 200
        codes = [
            (await client.get("/api/v1/me", headers={"Authorization": f"Bearer exp_{number}"})).status_code
            for number in range(4)
        ]
        assert codes == [401, 401, 401, 429]
        assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 200


async def test_health_is_never_limited_and_zero_means_no_limit(settings: Settings, clock: Clock) -> None:
    async with served(settings, clock, rate_limit_address=1) as (client, _):
        for path in ("/health", "/livez", "/readyz") * 2:
            answer = await client.get(path)
            assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)
    async with served(settings, clock, rate_limit=0, rate_limit_address=1) as (client, people):
        anna = await people.sign_up()
        assert {(await client.get("/api/v1/me", headers=anna.headers)).status_code for _ in range(5)} == {200}


@pytest.mark.parametrize(("said", "limit"), [("off", 0), ("OFF", 0), ("0", 0), ("120", 120)])
def test_the_operator_may_say_off(monkeypatch: pytest.MonkeyPatch, said: str, limit: int) -> None:
    monkeypatch.setenv("RATE_LIMIT", said)
    assert Settings(postgres_password=SecretStr("x")).rate_limit == limit


def test_the_pace_recovers_one_request_at_a_time() -> None:
    time = 0.0
    pace = Pace(requests=6, clock=lambda: time)
    assert [pace.take("a")[0] for _ in range(7)] == [5, 4, 3, 2, 1, 0, -1]
    left, drains_in_s = pace.take("a")
    assert (left, pace.wait_s(drains_in_s)) == (-1, 10)
    time = 9.9
    assert pace.take("a")[0] == -1
    time = 10.0
    assert pace.take("a")[0] == 0
    time = 1000.0
    assert pace.take("a")[0] == 5


def test_the_longest_unused_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 3)
    pace = Pace(requests=2, clock=lambda: 0.0)
    for name in "abcabd":
        pace.take(name)
    assert set(pace._drained_at) == {"a", "b", "d"}


async def test_a_body_that_is_too_large_is_refused_however_it_is_sent(settings: Settings, clock: Clock) -> None:
    async with served(settings, clock, max_body_bytes=2000) as (client, people):
        anna = await people.sign_up()
        headers = anna.headers | {"Content-Type": "application/json"}

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b" " * 100

        for body in (b" " * 2001, chunks()):
            answer = await client.post(f"{anna.url}/expenses", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
            assert "2000 bytes" in answer.json()["detail"]
        answer = await client.post(f"{anna.url}/expenses", content=b" " * 2000, headers=headers)
        assert answer.status_code == 422


def test_forms_of_pages_fit_into_the_limit_of_bodies(settings: Settings) -> None:
    assert settings.max_body_bytes > LIMIT_BYTES


async def test_a_query_that_takes_too_long_is_cut_off_and_said_so(settings: Settings, clock: Clock) -> None:
    async with served(settings, clock, statement_timeout_s=1) as (client, people):
        slow = people._app

        @slow.get("/api/v1/slow")
        async def endpoint() -> None:
            async with slow.state.engine.connect() as session:
                await session.execute(text("SELECT pg_sleep(30)"))

        answer = await client.get("/api/v1/slow")
        assert (answer.status_code, answer.json()["code"]) == (503, "timed_out")
        assert answer.headers["Retry-After"] == "10"


async def test_a_pool_without_a_free_connection_is_said_to_be_overloaded(
    client: httpx.AsyncClient, app: FastAPI, anna: Person, session: Session
) -> None:
    assert session is not None  # takes the last place below
    pool = app.state.engine.sync_engine.pool
    pool._timeout = 0.05
    taken = [await app.state.engine.connect() for _ in range(pool.size() - 1)]
    try:
        answer = await client.get("/api/v1/me", headers=anna.headers)
    finally:
        for connection in taken:
            await connection.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["Retry-After"] == "1"
