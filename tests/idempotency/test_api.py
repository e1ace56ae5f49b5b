"""A request that is sent twice with one `Idempotency-Key` is done once, whatever happens in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.workspaces.routes import API, PAYMENT

from expenses.idempotency import queries
from expenses.idempotency.model import KEPT_FOR, LONGEST_WAIT

if TYPE_CHECKING:
    from fastapi import FastAPI
    from tests.people import Clock, People, Person

    from expenses.db import Session
    from expenses.idempotency.model import Answer, Claim

pytestmark = pytest.mark.anyio

BODY = {"spent_on": "2026-11-01", "amount": {"value": "12.50", "currency": "EUR"}, "merchant": "Corner Bakery"}
KEY = "5a1e6f0c-6f5b-4a53-9a0e-0a3e6f1b7c11"


async def post(
    client: httpx.AsyncClient, person: Person, *, key: str | None = KEY, url: str | None = None, **body: object
) -> httpx.Response:
    headers = person.headers | ({} if key is None else {"Idempotency-Key": key})
    return await client.post(url or f"{person.url}/expenses", json=BODY | body, headers=headers)


async def number_of(session: Session, table: str) -> int:
    return int((await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_the_same_request_gets_the_same_answer_and_is_written_once(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    first, second = await post(client, anna), await post(client, anna)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    for name in ("ETag", "Location", "Content-Type"):
        assert first.headers[name] == second.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await number_of(session, "expense") == 1
    assert await number_of(session, "audit_event") == 1


async def test_the_order_of_a_bodys_members_does_not_make_another_request(
    client: httpx.AsyncClient, anna: Person
) -> None:
    headers = anna.headers | {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    one = b'{"spent_on":"2026-11-01","merchant":"x","amount":{"value":"1","currency":"EUR"}}'
    other = b'{"amount": {"currency": "EUR", "value": "1"}, "merchant": "x", "spent_on": "2026-11-01"}'
    first = await client.post(f"{anna.url}/expenses", content=one, headers=headers)
    second = await client.post(f"{anna.url}/expenses", content=other, headers=headers)
    assert (first.status_code, first.json()) == (201, second.json())


async def test_another_body_with_the_same_key_is_refused(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    await post(client, anna)
    other = await post(client, anna, merchant="Somewhere else")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert await number_of(session, "expense") == 1


async def test_the_key_of_another_route_is_taken(client: httpx.AsyncClient, anna: Person) -> None:
    await post(client, anna)
    answer = await client.post(
        f"{anna.url}/categories", json={"name": "Food"}, headers=anna.headers | {"Idempotency-Key": KEY}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


async def test_requests_at_the_same_time_are_one_write(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    answers = await asyncio.gather(*(post(client, anna) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5
    assert await number_of(session, "expense") == 1


async def test_who_waits_too_long_for_the_first_request_is_told_to_ask_again(
    client: httpx.AsyncClient, anna: Person, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LONGEST_WAIT", timedelta(milliseconds=200))
    assert timedelta(0) < LONGEST_WAIT < timedelta(seconds=5)
    at_work, hurdle = asyncio.Event(), asyncio.Event()
    stored = queries.store_answer

    async def wait(session: Session, *, claim: Claim, answer: Answer) -> None:
        at_work.set()
        await hurdle.wait()
        await stored(session, claim=claim, answer=answer)

    monkeypatch.setattr(queries, "store_answer", wait)
    first = asyncio.create_task(post(client, anna))
    await at_work.wait()
    second = await post(client, anna)
    hurdle.set()
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
    assert second.headers["Retry-After"] == "1"
    third = await post(client, anna)
    assert (await first).content == third.content
    assert await number_of(session, "expense") == 1


async def test_two_people_and_two_workspaces_may_use_the_same_key(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    url = f"{anna.url}/expenses"
    answers = [await post(client, anna), await post(client, ben, url=url), await post(client, ben)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert await number_of(session, "expense") == 3


async def test_a_key_is_remembered_for_a_day_and_then_forgotten(
    client: httpx.AsyncClient, anna: Person, clock: Clock, session: Session
) -> None:
    first = await post(client, anna)
    clock.turn(KEPT_FOR)
    assert (await post(client, anna)).json() == first.json()
    clock.turn(timedelta(seconds=1))
    assert (await post(client, anna)).json()["id"] != first.json()["id"]
    for number in range(3):
        await post(client, anna, key=f"key-{number}")
    clock.turn(KEPT_FOR + timedelta(seconds=1))
    await post(client, anna, key="a-new-one")
    assert await number_of(session, "idempotency_key") == 1


async def test_what_was_refused_may_be_tried_again_with_the_same_key(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    ben = await people.sign_up()
    url = f"{anna.url}/expenses"
    assert (await post(client, ben, url=url)).status_code == 404
    assert await number_of(session, "idempotency_key") == 0
    await people.join(ben, anna.workspace, "member")
    assert (await post(client, ben, url=url)).status_code == 201


@pytest.mark.parametrize("moment", ["store_answer", "forget_expired"])
async def test_a_crash_between_write_and_answer_leaves_nothing_or_everything(
    client: httpx.AsyncClient,
    anna: Person,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    original = getattr(queries, moment)

    async def cut_off(dying: Session, **kwargs: object) -> None:
        pid = (await dying.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await session.execute(text(f"SELECT pg_terminate_backend({pid})"))
        await original(dying, **kwargs)

    monkeypatch.setattr(queries, moment, cut_off)
    with pytest.raises(DBAPIError):
        await post(client, anna)
    monkeypatch.undo()
    assert await number_of(session, "expense") == await number_of(session, "idempotency_key") == 0
    answer = await post(client, anna)
    assert answer.status_code == 201
    assert await number_of(session, "expense") == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "\u00e4"])
async def test_a_key_that_is_none_is_malformed(client: httpx.AsyncClient, anna: Person, key: str) -> None:
    answer = await client.post(
        f"{anna.url}/expenses", json=BODY, headers=httpx.Headers(anna.headers | {"Idempotency-Key": key}, "utf-8")
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


MADE: dict[str, tuple[dict[str, object], str]] = {
    "/api/v1/workspaces": ({"name": "Office", "kind": "company"}, "workspace"),
    f"{API}/expenses": ({**BODY}, "expense"),
    f"{API}/categories": ({"name": "Pets"}, "category"),
    f"{API}/payment-accounts": ({"name": "Card"}, "payment_account"),
    f"{API}/settlements": (dict(PAYMENT), "settlement"),
}
"""What each route that takes a key makes, and the table that it goes into."""


async def test_every_route_that_takes_a_key_makes_it_once_and_refuses_another_body(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    taking = {
        path
        for path, methods in app.openapi()["paths"].items()
        if any(each["name"] == "Idempotency-Key" for each in methods.get("post", {}).get("parameters", []))
    }
    assert taking == set(MADE)
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    await client.get(f"{anna.url}/categories", headers=anna.headers)  # the first look makes the first set
    for number, (path, (body, table)) in enumerate(MADE.items()):
        if table == "settlement":
            body |= {"from_user_id": str(ben.user.id), "to_user_id": str(anna.user.id)}
        url, before = path.format(workspace_id=anna.workspace.id), await number_of(session, table)
        headers = anna.headers | {"Idempotency-Key": f"key-{number}"}
        answers = await asyncio.gather(*(client.post(url, json=body, headers=headers) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {201}, (path, answers[0].text)
        assert len({answer.content for answer in answers}) == 1, path
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 2, path
        other = body | ({"name": "Other"} if "name" in body else {"note": "other"})
        changed = await client.post(url, json=other, headers=headers)
        assert (changed.status_code, changed.json()["code"]) == (409, "idempotency_conflict"), path
        assert await number_of(session, table) == before + 1, path


async def test_a_request_without_the_header_asks_the_database_nothing_more(
    client: httpx.AsyncClient, anna: Person, statements: list[str]
) -> None:
    await post(client, anna, key=None)
    assert [each for each in statements if "idempotency_key" in each or "lock_timeout" in each] == []
    assert sum("INSERT" in each for each in statements) == 1  # expense and event together


async def test_every_route_that_takes_a_key_says_that_it_may_clash(app: FastAPI) -> None:
    taking = {
        f"{method} {path}": operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
    }
    assert "post /api/v1/workspaces/{workspace_id}/expenses" in taking
    assert [name for name, operation in taking.items() if "409" not in operation["responses"]] == []
