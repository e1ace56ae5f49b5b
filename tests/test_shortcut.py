"""The short way answers as FastAPI's own, whatever is asked, and is the way that requests as described take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.recording import COFFEE, record

from expenses.shortcut.layer import Shortcut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

UNKNOWN = "01a2232d-d6bd-76c8-9fe4-d031960078cd"
READS = (
    "/expenses",
    "/expenses?limit=1",
    "/expenses?limit=0",
    "/expenses?limit=x&from=2026-02-30",
    "/expenses?from=2026-11-01&to=2026-11-30",
    "/expenses?from=&cursor=",
    "/expenses?cursor=nonsense",
    "/expenses?q=amount%3E3",
    "/expenses?q=nosuch:operator",
    "/expenses?unknown=1",
    "/expenses?limit=1&limit=2",
    "/expenses/",
    "/expenses/x",
    f"/expenses/{UNKNOWN}",
    f"/expenses/{UNKNOWN.upper()}",
    f"/expenses/{UNKNOWN.replace('-', '')}",
    f"/expenses/{{{UNKNOWN}}}",
    f"/expenses/{UNKNOWN[:-1]}g",
    f"/expenses/{UNKNOWN}/",
    "/expenses//",
    "/expenses/%20",
    "/categories",
    "/categories?archived=maybe",
    "/nothing",
    "/reports/monthly",
    "/reports/monthly?month=2026-11",
    "/reports/monthly?month=2026-11&month=2026-10",
    "/reports/monthly?month=2026-13",
    "/tags?limit=2",
    "/trash",
    "/trash?limit=x",
    "/merchants?q=cor",
    "/payment-accounts",
    "/balances",
    "/settlements?limit=1",
    f"/settlements/{UNKNOWN}",
)
BODIES: tuple[tuple[bytes, str], ...] = (
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"[]", "application/json"),
    (b"null", "application/json"),
    (b"\xff", "application/json"),
    (b'{"spent_on":"2026-02-30"}', "application/json"),
    (b'{"spent_on":1}', "application/json; charset=utf-8"),
    (b"spent_on=2026-11-22", "application/x-www-form-urlencoded"),
    (b"{}", "text/plain"),
    (b"{}", "application/problem+json"),
    (b'{"spent_on":"2026-11-22","amount":{"value":"1.234","currency":"EUR"},"merchant":"x"}', "application/json"),
    (b'{"spent_on":"2026-11-22","amount":{"value":"1","currency":"XXX"},"merchant":"x"}', "application/json"),
)


def shortcut_of(app: FastAPI) -> Shortcut:
    layer: Any = app.middleware_stack
    while not isinstance(layer, Shortcut):
        layer = getattr(layer, "app", None) or layer._app
    return layer


def tell(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """What must be the same by both ways; the id of a request is new each time."""
    headers = {
        name: value for name, value in answer.headers.items() if not name.startswith(("x-request-id", "ratelimit"))
    }
    return answer.status_code, answer.content, headers


async def test_both_ways_answer_the_same(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    coffee = await record(client, anna)
    ben = await people.sign_up()

    async def ask() -> list[tuple[int, bytes, dict[str, str]]]:
        strangers: tuple[dict[str, str], ...] = ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": "a=b"})
        answers = [
            await client.get(anna.url + path, headers=headers)
            for path in (*READS, f"/expenses/{coffee['id']}")
            for headers in (anna.headers, ben.headers, *strangers)
        ]
        for body, kind in BODIES:
            headers = anna.headers | {"Content-Type": kind}
            answers.append(await client.post(f"{anna.url}/expenses", content=body, headers=headers))
            answers.append(
                await client.patch(
                    f"{anna.url}/expenses/{coffee['id']}", content=body, headers=headers | {"If-Match": '"9"'}
                )
            )
        no_type = client.build_request("POST", f"{anna.url}/expenses", content=b"{}", headers=anna.headers)
        answers.append(await client.send(no_type))
        answers += [
            await client.request(method, f"{anna.url}/expenses", headers=anna.headers)
            for method in ("HEAD", "OPTIONS", "PUT", "TRACE")
        ]
        for key in ("", "k" * 300):
            headers = anna.headers | {"Idempotency-Key": key}
            answers.append(await client.post(f"{anna.url}/expenses", json=COFFEE, headers=headers))
        answers.append(
            await client.get(f"{anna.url}/expenses/{coffee['id']}", headers=anna.headers | {"If-None-Match": '"1"'})
        )
        return [tell(each) for each in answers]

    short = await ask()
    monkeypatch.setattr(shortcut_of(app)._paths, "_root", {})
    assert short == await ask()
    assert {status for status, _, _ in short} >= {200, 304, 401, 404, 405, 412, 422}


async def test_what_is_asked_most_goes_the_short_way(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> None:
    coffee = await record(client, anna)
    app.router.routes.clear()
    assert (await client.get(f"{anna.url}/expenses?limit=5", headers=anna.headers)).status_code == 200
    assert (await client.get(f"{anna.url}/expenses/{coffee['id']}", headers=anna.headers)).status_code == 200
    assert (await client.post(f"{anna.url}/expenses", json=COFFEE, headers=anna.headers)).status_code == 201
    for path in ("reports/monthly?month=2026-11", "categories", "tags", "trash", "merchants", "balances"):
        assert (await client.get(f"{anna.url}/{path}", headers=anna.headers)).status_code == 200
    assert (await client.get(f"{anna.url}/members", headers=anna.headers)).status_code == 404


async def test_an_unexpected_error_is_a_problem_by_the_short_way_too(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    await client.get(f"{anna.url}/expenses", headers=anna.headers)
    app.state.clock = None
    with pytest.raises(TypeError):
        await client.get(f"{anna.url}/expenses", headers=anna.headers)


async def test_who_goes_away_while_sending_is_not_an_error_of_the_service(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    before = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()
    said: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps(COFFEE).encode(), "more_body": True}]
    headers = {"Content-Type": "application/json", **anna.headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    path = f"{anna.url}/expenses"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw}
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return said.pop() if said else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] < 500
    assert (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json() == before


async def test_a_body_in_pieces_is_read_whole(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> None:
    text = json.dumps(COFFEE).encode()
    app.router.routes.clear()  # so that the short way has to do it

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(text), 7):
            yield text[place : place + 7]

    headers = {"Content-Type": "application/json", **anna.headers}
    answer = await client.post(f"{anna.url}/expenses", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["merchant"]) == (201, COFFEE["merchant"])
