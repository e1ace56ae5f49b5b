"""Rates by hand and from files, on record, for those who may write."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.rates.test_ecb import SAMPLE

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, Person

pytestmark = pytest.mark.anyio

USD = "rates/EUR/USD/2026-11-20"


async def listed(client: httpx.AsyncClient, person: Person, **query: str) -> dict[str, Any]:
    answer = await client.get(f"{person.url}/rates", params=query, headers=person.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_rate_by_hand_can_be_entered_replaced_and_deleted_and_is_on_record(
    client: httpx.AsyncClient, anna: Person
) -> None:
    url = f"{anna.url}/{USD}"
    first = {"base": "EUR", "quote": "USD", "on": "2026-11-20", "rate": "1.0843", "source": "by hand"}
    answer = await client.put(url, json={"rate": "1.084300"}, headers=anna.headers)
    assert (answer.status_code, answer.json()) == (200, first)
    await client.put(url, json={"rate": "1.0843"}, headers=anna.headers)  # says nothing new
    second = {**first, "rate": "1.09", "source": "Bank"}
    await client.put(url, json={"rate": "1.09", "source": "Bank"}, headers=anna.headers)
    assert (await listed(client, anna))["items"] == [second]
    assert (await client.delete(url, headers=anna.headers)).status_code == 204
    assert (await client.delete(url, headers=anna.headers)).status_code == 404
    await client.put(url, json={"rate": "1"}, headers=anna.headers)
    events = (await client.get(f"{anna.url}/audit", headers=anna.headers)).json()["items"]
    found = {(each["action"], (each["after"] or {}).get("rate")) for each in events if each["entity"] == "rate"}
    assert found == {("create", "1.0843"), ("change", "1.09"), ("delete", None), ("create", "1")}
    assert len({each["entity_id"] for each in events if each["entity"] == "rate"}) == 1


async def test_a_file_is_loaded_whole_beside_what_was_entered_by_hand(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    await client.put(f"{anna.url}/{USD}", json={"rate": "1.5"}, headers=anna.headers)
    content = SAMPLE.read_bytes()
    for changed in (178, 0):
        answer = await client.post(f"{anna.url}/rates/load", content=content, headers=anna.headers)
        assert (answer.status_code, answer.json()) == (200, {"rates": 179, "changed": changed})
        clock.turn(timedelta(seconds=1))  # events of one instant have no order
    (kept,) = (await listed(client, anna, quote="USD", **{"from": "2026-11-20"}))["items"]
    assert (kept["rate"], kept["source"]) == ("1.5", "by hand")
    events = (await client.get(f"{anna.url}/audit", headers=anna.headers)).json()["items"]
    assert [each["after"]["changed"] for each in events if each["action"] == "load"] == [0, 178]


async def test_of_a_file_with_a_bad_line_nothing_is_loaded(client: httpx.AsyncClient, anna: Person) -> None:
    content = SAMPLE.read_bytes() + b"2026-11-12,zero\n"
    answer = await client.post(f"{anna.url}/rates/load", content=content, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_rates_file")
    assert "line 8: `zero` under USD is not a rate" in answer.json()["detail"]
    assert (await listed(client, anna))["items"] == []


async def test_a_body_that_is_no_file_of_rates_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for content in (b"", b"\xff\xfe", b"Date,USD\n" + b"2026-11-20,1\n" * 155_000):
        answer = await client.post(f"{anna.url}/rates/load", content=content, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_rates_file")


BAD = (
    ("EUR/USD/2026-11-20", {"rate": "0"}, "invalid_rate"),
    ("EUR/EUR/2026-11-20", {"rate": "1"}, "invalid_pair"),
    ("EUR/XXY/2026-11-20", {"rate": "1"}, "unknown_currency"),
    ("EUR/USD/2026-11-20", {"rate": "1", "source": " "}, "invalid_source"),
    ("eur/USD/2026-11-20", {"rate": "1"}, "malformed"),
    ("EUR/USD/2026-11-31", {"rate": "1"}, "malformed"),
)


async def test_a_rate_that_cannot_be_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for path, body, code in BAD:
        answer = await client.put(f"{anna.url}/rates/{path}", json=body, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_pages_of_rates_neither_repeat_nor_skip(client: httpx.AsyncClient, anna: Person) -> None:
    await client.post(f"{anna.url}/rates/load", content=SAMPLE.read_bytes(), headers=anna.headers)
    found, cursor = [], ""
    for _ in range(10):
        query = {"limit": "25", "cursor": cursor} if cursor else {"limit": "25"}
        page = await listed(client, anna, **query)
        found += [(each["base"], each["quote"], each["on"]) for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(found) == 179
    assert found == sorted(found, reverse=True)
    query = {"limit": "25", "quote": "USD", "cursor": "AAAA"}
    answer = await client.get(f"{anna.url}/rates", params=query, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
