"""Lists: in pages that neither repeat nor hide a row, filtered, one query each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.ledger.recording import category_ids, record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


async def page(client: httpx.AsyncClient, person: Person, **params: object) -> dict[str, Any]:
    answer = await client.get(f"{person.url}/expenses", params=params, headers=person.headers)  # type: ignore[arg-type]  # httpx takes what str() takes
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def merchants(client: httpx.AsyncClient, person: Person, **params: object) -> list[str]:
    return [item["merchant"] for item in (await page(client, person, **params))["items"]]


async def test_pages_show_every_row_once_while_rows_are_recorded_and_deleted(
    client: httpx.AsyncClient, anna: Person
) -> None:
    before = [
        await record(client, anna, spent_on=f"2026-11-{1 + number % 5:02}", merchant=str(number))
        for number in range(23)
    ]
    expected = sorted(before, key=lambda each: (each["spent_on"], each["id"]), reverse=True)
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        found = await page(client, anna, limit=4, cursor=cursor)
        seen += found["items"]
        cursor = found["next"]
        await record(client, anna, spent_on="2026-11-30", merchant="in between")  # would shift an OFFSET
        await client.delete(f"{anna.url}/expenses/{seen[0]['id']}", headers=anna.headers)
    assert [each["id"] for each in seen] == [each["id"] for each in expected]


async def test_the_last_page_says_so_even_when_it_is_full(client: httpx.AsyncClient, anna: Person) -> None:
    for _ in range(4):
        await record(client, anna)
    first = await page(client, anna, limit=2)
    second = await page(client, anna, limit=2, cursor=first["next"])
    assert len(second["items"]) == 2
    assert second["next"] is None


BROKEN: list[tuple[dict[str, str], str]] = [
    ({"limit": "0"}, "limit"),
    ({"limit": "201"}, "limit"),
    ({"limit": "-1"}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"from": "2026-02-30"}, "from"),
    ({"to": "yesterday"}, "to"),
    ({"to": "2026-11-22T00:00:00"}, "to"),
    ({"from": "0"}, "from"),
    ({"category_id": "food"}, "category_id"),
    ({"q": "x" * 201}, "q"),
    ({"q": "a\0"}, "q"),
    ({"cursor": "x"}, "cursor"),
    ({"cursor": "\u00e9"}, "cursor"),
    ({"cursor": "A" * 38}, "cursor"),
    ({"cursor": "A" * 10_000}, "cursor"),
    ({"cursor": "\0"}, "cursor"),
    ({"cursor": "null"}, "cursor"),
]


async def test_broken_parameters_are_refused_by_name(client: httpx.AsyncClient, anna: Person) -> None:
    for params, field in BROKEN:
        answer = await client.get(f"{anna.url}/expenses", params=params, headers=anna.headers)
        assert answer.status_code == 422, params
        assert answer.json()["errors"][0]["field"].partition(".")[0] == field
        if field == "cursor":
            assert answer.json()["code"] == "invalid_cursor"


async def test_days_outside_of_what_can_be_spent_may_still_be_asked_for(
    client: httpx.AsyncClient, anna: Person
) -> None:
    await record(client, anna, merchant="here")
    assert await merchants(client, anna, **{"from": "0001-01-01", "to": "9999-12-31"}) == ["here"]
    assert await merchants(client, anna, **{"from": "2026-11-23", "to": "2026-11-21"}) == []


async def test_parameters_without_a_value_count_as_missing(client: httpx.AsyncClient, anna: Person) -> None:
    await record(client, anna, merchant="here")
    answer = await client.get(f"{anna.url}/expenses?limit=&cursor=&from=&to=&category_id=&q=", headers=anna.headers)
    assert [item["merchant"] for item in answer.json()["items"]] == ["here"]


async def test_a_cursor_of_another_list_is_refused(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ben = await people.sign_up()
    for person in (anna, ben):
        for _ in range(3):
            await record(client, person)
    cursor = (await page(client, anna, limit=1))["next"]
    assert (await page(client, anna, limit=2, cursor=cursor))["next"] is None
    for person, params in [
        (anna, {"q": "coffee"}),
        (anna, {"from": "2026-01-01"}),
        (anna, {"to": "2026-12-31"}),
        (anna, {"category_id": str(uuid4())}),
        (anna, {"category_id": "none"}),
        (ben, {}),
    ]:
        url = f"{person.url}/expenses"
        answer = await client.get(url, params=params | {"cursor": cursor}, headers=person.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), params
    for damaged in (cursor + "=", cursor[:-1], cursor[::-1], cursor + "A", cursor.swapcase()):
        answer = await client.get(f"{anna.url}/expenses", params={"cursor": damaged}, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_days_are_filtered_inclusively(client: httpx.AsyncClient, anna: Person) -> None:
    for day in ("2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01"):
        await record(client, anna, spent_on=day, merchant=day)
    assert await merchants(client, anna, **{"from": "2026-11-01", "to": "2026-11-30"}) == ["2026-11-30", "2026-11-01"]
    assert await merchants(client, anna, to="2026-10-31") == ["2026-10-31"]


async def test_a_category_includes_those_below_it(client: httpx.AsyncClient, anna: Person) -> None:
    ids = await category_ids(client, anna)
    for name in ("Transport", "Fuel", "Groceries"):
        await record(client, anna, merchant=name, category_id=ids[name], spent_on=f"2026-11-{len(name):02}")
    await record(client, anna, merchant="nothing")
    assert await merchants(client, anna, category_id=ids["Transport"]) == ["Transport", "Fuel"]
    assert await merchants(client, anna, category_id=ids["Fuel"]) == ["Fuel"]
    assert await merchants(client, anna, category_id=ids["Taxi"]) == []
    assert await merchants(client, anna, category_id="none") == ["nothing"]
    first = await page(client, anna, category_id=ids["Transport"], limit=1)
    assert await merchants(client, anna, category_id=ids["Transport"], limit=1, cursor=first["next"]) == ["Fuel"]


SEARCHES = [
    ("bakery", ["Corner Bakery"]),
    ("BÄCKER", ["Bäckerei"]),
    ("100%", ["100% Juice"]),
    ("%", ["100% Juice"]),
    ("_", ["a_b"]),
    ("\\", ["back\\slash"]),
    ("/", ["and/or"]),
    ("nowhere", []),
    ("secret note", ["noted"]),
    ("' OR 1=1 --", []),
    ("corner -bakery", []),
    ("secret -corner", ["noted"]),
    ("note bakery", []),
    ("noted a", ["noted"]),
    ('"a secret"', ["noted"]),
    ("%_\\\\/", []),
]


async def test_search_finds_text_within_merchant_and_note_in_any_case(client: httpx.AsyncClient, anna: Person) -> None:
    for merchant in ("Corner Bakery", "Bäckerei", "100% Juice", "a_b", "back\\slash", "and/or"):
        await record(client, anna, merchant=merchant, note="", tags=[])
    await record(client, anna, merchant="noted", note="A Secret Note")
    for q, found in SEARCHES:
        assert sorted(await merchants(client, anna, q=q)) == sorted(found), q


async def test_a_list_is_one_query_beside_those_of_the_rights(
    client: httpx.AsyncClient, anna: Person, statements: list[str]
) -> None:
    ids = await category_ids(client, anna)
    for number in range(30):
        await record(client, anna, category_id=ids["Fuel"], tags=[str(number)])
    for params in ({}, {"category_id": ids["Transport"]}, {"q": "coffee", "from": "2026-01-01"}):
        statements.clear()
        await page(client, anna, **params)
        assert len([each for each in statements if "FROM expense" in each]) == 1
        assert 2 <= len(statements) <= 3, statements  # who and where, the token's use, the list
