"""Expenses over HTTP: what goes in comes out, and what is wrong is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.conftest import execute
from tests.ledger.recording import COFFEE, category_ids, record

from expenses.ledger.wire import ExpenseOut

if TYPE_CHECKING:
    import httpx
    from tests.people import Person


pytestmark = pytest.mark.anyio

NASTY = "Robert'); DROP TABLE expense;-- <script>alert(1)</script> {{7*7}} %s $1 \\ ' \" \u202e \U0001f4b8 \r\n\t\x01"


async def test_what_is_recorded_can_be_read_back_unchanged(client: httpx.AsyncClient, anna: Person) -> None:
    answer = await client.post(f"{anna.url}/expenses", json=COFFEE, headers=anna.headers)
    assert answer.status_code == 201
    expense = answer.json()
    rest = {"id": expense["id"], "category_id": None, "payer_id": str(anna.user.id), "version": 1}
    rest |= {"account_id": None, "lines": [], "split": None, "shares": [], "converted": None}
    assert expense == COFFEE | rest
    assert answer.headers["ETag"] == '"1"'
    ExpenseOut.model_validate_json(answer.content, strict=True)
    again = await client.get(answer.headers["Location"], headers=anna.headers)
    assert (again.json(), again.headers["ETag"]) == (expense, '"1"')
    listed = await client.get(f"{anna.url}/expenses", headers=anna.headers)
    assert listed.json() == {"items": [expense], "next": None}


async def test_every_text_is_stored_character_by_character(client: httpx.AsyncClient, anna: Person) -> None:
    texts = {"merchant": NASTY, "note": NASTY * 20, "tags": [NASTY[:50], "A", "a"]}
    expense = await record(client, anna, **texts)
    assert {name: expense[name] for name in texts} == texts
    phrase = f'"{NASTY.partition(chr(34))[0]}"'
    listed = await client.get(f"{anna.url}/expenses", params={"q": phrase}, headers=anna.headers)
    assert listed.json()["items"] == [expense]


AMOUNTS = [
    ("12.5", "EUR", "12.50"),
    ("-3", "EUR", "-3.00"),
    ("0", "EUR", "0.00"),
    ("1200", "JPY", "1200"),
    ("0.001", "KWD", "0.001"),
    ("-10000000000000.00", "EUR", "-10000000000000.00"),
]


async def test_an_amount_comes_back_with_the_digits_of_its_currency(client: httpx.AsyncClient, anna: Person) -> None:
    for value, currency, kept in AMOUNTS:
        expense = await record(client, anna, amount={"value": value, "currency": currency})
        assert expense["amount"] == {"value": kept, "currency": currency}


BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": {"value": "12.505", "currency": "EUR"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "1.5", "currency": "JPY"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "1.0001", "currency": "KWD"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "1e5", "currency": "EUR"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "NaN", "currency": "EUR"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "1,000.00", "currency": "EUR"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "\u0661", "currency": "EUR"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": "10000000000000.01", "currency": "EUR"}}, "invalid_amount", "amount.value"),
    ({"amount": {"value": 12.5, "currency": "EUR"}}, "malformed", "amount.value"),
    ({"amount": {"value": 12, "currency": "EUR"}}, "malformed", "amount.value"),
    ({"amount": "12.50 EUR"}, "malformed", "amount"),
    ({"amount": {"value": "1"}}, "malformed", "amount.currency"),
    ({"amount": {"value": "1", "currency": "EUR", "minor": 1}}, "malformed", "amount.minor"),
    ({"amount": {"value": "1", "currency": "XXX"}}, "unknown_currency", "amount.currency"),
    ({"amount": {"value": "1", "currency": "eur"}}, "unknown_currency", "amount.currency"),
    ({"amount": {"value": "1", "currency": "E\0R"}}, "unknown_currency", "amount.currency"),
    ({"amount": {"value": "1", "currency": "DEM"}}, "withdrawn_currency", "amount.currency"),
    ({"amount": {"value": "1", "currency": "BGN"}}, "withdrawn_currency", "amount.currency"),
    ({"spent_on": "2026-02-29"}, "malformed", "spent_on"),
    ({"spent_on": "2026-04-31"}, "malformed", "spent_on"),
    ({"spent_on": "2026-1-1"}, "malformed", "spent_on"),
    ({"spent_on": "20261122"}, "malformed", "spent_on"),
    ({"spent_on": "2026-W01-1"}, "malformed", "spent_on"),
    ({"spent_on": "2026-11-22T12:00:00Z"}, "malformed", "spent_on"),
    ({"spent_on": "2026-11-2\u0662"}, "malformed", "spent_on"),
    ({"spent_on": 1763769600}, "malformed", "spent_on"),
    ({"spent_on": None}, "malformed", "spent_on"),
    ({"spent_on": "0000-01-01"}, "malformed", "spent_on"),
    ({"spent_on": "0001-01-01"}, "day_out_of_range", "spent_on"),
    ({"spent_on": "1899-12-31"}, "day_out_of_range", "spent_on"),
    ({"spent_on": "2200-01-01"}, "day_out_of_range", "spent_on"),
    ({"spent_on": "9999-12-31"}, "day_out_of_range", "spent_on"),
    ({"merchant": ""}, "malformed", "merchant"),
    ({"merchant": " \t "}, "invalid_text", "merchant"),
    ({"merchant": "x" * 201}, "malformed", "merchant"),
    ({"merchant": "a\0b"}, "invalid_text", "merchant"),
    ({"merchant": None}, "malformed", "merchant"),
    ({"merchant": ["a"]}, "malformed", "merchant"),
    ({"note": "x" * 1_048_576}, "malformed", "note"),
    ({"note": "\0"}, "invalid_text", "note"),
    ({"tags": [str(number) for number in range(21)]}, "malformed", "tags"),
    ({"tags": ["x" * 51]}, "malformed", "tags.0"),
    ({"tags": ["  "]}, "invalid_text", "tags"),
    ({"tags": ["a\0"]}, "invalid_text", "tags"),
    ({"tags": "coffee"}, "malformed", "tags"),
    ({"tags": [None]}, "malformed", "tags.0"),
    ({"category_id": "1"}, "malformed", "category_id"),
    ({"category_id": str(uuid4())}, "unknown_category", "category_id"),
    ({"payer_id": str(uuid4())}, "unknown_payer", "payer_id"),
    ({"id": str(uuid4())}, "malformed", "id"),
    ({"version": 3}, "malformed", "version"),
]


@pytest.mark.parametrize("door", ["POST", "PATCH"])
async def test_bad_fields_are_refused_by_name(client: httpx.AsyncClient, anna: Person, door: str) -> None:
    kept = await record(client, anna)
    for fields, code, field in BAD_FIELDS:
        if door == "POST":
            answer = await client.post(f"{anna.url}/expenses", json=COFFEE | fields, headers=anna.headers)
        else:
            url = f"{anna.url}/expenses/{kept['id']}"
            answer = await client.patch(url, json=fields, headers=anna.headers)
        assert answer.status_code == 422, fields
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["code"], problem["errors"][0]["field"]) == (code, field), fields
        assert len(answer.content) < 2000
    listed = await client.get(f"{anna.url}/expenses", headers=anna.headers)
    assert listed.json()["items"] == [kept]


NO_OBJECTS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"merchant": "\xff"}',
    b'{"a": ' * 100_000,
    b'{"note": ' + b"9" * 5000 + b"}",
]


async def test_a_body_that_is_no_object_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    headers = anna.headers | {"Content-Type": "application/json"}
    for body in NO_OBJECTS:
        answer = await client.post(f"{anna.url}/expenses", content=body, headers=headers)
        assert answer.status_code in {400, 422}, body[:50]
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_half_a_surrogate_pair_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for field in ("merchant", "note"):
        body = b'{"spent_on": "2026-11-22", "amount": {"value": "1", "currency": "EUR"}, "merchant": "x"'
        body = body.replace(b'"merchant": "x"', b"") + f'"merchant": "x", "{field}": "\\ud800"}}'.encode()
        headers = anna.headers | {"Content-Type": "application/json"}
        answer = await client.post(f"{anna.url}/expenses", content=body, headers=headers)
        assert answer.status_code == 422


async def test_a_missing_field_is_named(client: httpx.AsyncClient, anna: Person) -> None:
    for field in ("spent_on", "amount", "merchant"):
        body = {name: value for name, value in COFFEE.items() if name != field}
        answer = await client.post(f"{anna.url}/expenses", json=body, headers=anna.headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_limits_themselves_are_accepted(client: httpx.AsyncClient, anna: Person) -> None:
    tags = [f"{number:02}".ljust(50, "\U0001f600") for number in range(20)]
    longest = {"merchant": "\U0001f600" * 200, "note": "\U0001f600" * 10_000, "tags": tags}
    expense = await record(client, anna, spent_on="1900-01-01", **longest)
    assert {name: expense[name] for name in longest} == longest
    assert (await record(client, anna, spent_on="2199-12-31"))["spent_on"] == "2199-12-31"
    assert (await record(client, anna, spent_on="2028-02-29"))["spent_on"] == "2028-02-29"


async def test_a_repeated_tag_is_kept_once(client: httpx.AsyncClient, anna: Person) -> None:
    assert (await record(client, anna, tags=["b", "a", "b"]))["tags"] == ["b", "a"]


async def test_a_change_touches_only_what_it_names(client: httpx.AsyncClient, anna: Person) -> None:
    category_id = (await category_ids(client, anna))["Coffee"]
    expense = await record(client, anna, category_id=category_id)
    url = f"{anna.url}/expenses/{expense['id']}"
    answer = await client.patch(url, json={"merchant": "Café"}, headers=anna.headers)
    assert answer.json() == expense | {"merchant": "Café", "version": 2}
    assert answer.headers["ETag"] == '"2"'
    answer = await client.patch(url, json={"category_id": None, "payer_id": None, "tags": []}, headers=anna.headers)
    emptied = expense | {"merchant": "Café", "category_id": None, "payer_id": None, "tags": [], "version": 3}
    assert answer.json() == emptied
    assert (await client.get(url, headers=anna.headers)).json() == emptied


async def test_a_change_that_says_nothing_new_makes_no_version(client: httpx.AsyncClient, anna: Person) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    for body in ({}, COFFEE, {"amount": {"value": "3.8", "currency": "EUR"}}):
        answer = await client.patch(url, json=body, headers=anna.headers)
        assert (answer.status_code, answer.json()) == (200, expense)


async def test_another_version_is_refused_with_412(client: httpx.AsyncClient, anna: Person) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    for tag in ['"2"', '"01x"', '""', 'W/"1"', '"\xb2"', '"' + "9" * 5000 + '"']:
        headers = [(b"Authorization", anna.headers["Authorization"].encode()), (b"If-Match", tag.encode("latin-1"))]
        for answer in (
            await client.patch(url, json={"note": "new"}, headers=headers),
            await client.delete(url, headers=headers),
        ):
            assert answer.status_code == 412, tag
    assert (await client.get(url, headers=anna.headers)).json() == expense


async def test_the_right_version_and_the_star_are_accepted(client: httpx.AsyncClient, anna: Person) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    for tag, note in [('"1"', "a"), ("*", "b"), ('"3"', "c")]:
        answer = await client.patch(url, json={"note": note}, headers=anna.headers | {"If-Match": tag})
        assert answer.status_code == 200
    assert (await client.delete(url, headers=anna.headers | {"If-Match": '"4"'})).status_code == 204
    for malformed in ("4", '"4", "5"', '"4', '"'):
        answer = await client.patch(url, json={}, headers=anna.headers | {"If-Match": malformed})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "If-Match")


async def test_what_is_deleted_is_gone_until_it_is_restored(client: httpx.AsyncClient, anna: Person) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    assert (await client.delete(url, headers=anna.headers)).status_code == 204
    for answer in (
        await client.get(url, headers=anna.headers),
        await client.patch(url, json={"note": "x"}, headers=anna.headers),
        await client.delete(url, headers=anna.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"] == []
    restored = await client.post(f"{url}/restore", headers=anna.headers)
    assert (restored.status_code, restored.json()) == (200, expense | {"version": 3})
    assert (await client.get(url, headers=anna.headers)).json() == expense | {"version": 3}
    again = await client.post(f"{url}/restore", headers=anna.headers)
    assert again.json() == expense | {"version": 3}


async def test_a_withdrawn_currency_may_stay_but_not_come(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    expense = await record(client, anna)
    execute(database, f"UPDATE expense SET currency = 'HRK' WHERE id = '{expense['id']}'")
    url = f"{anna.url}/expenses/{expense['id']}"
    answer = await client.patch(url, json={"amount": {"value": "9.99", "currency": "HRK"}}, headers=anna.headers)
    assert answer.json()["amount"] == {"value": "9.99", "currency": "HRK"}
    answer = await client.patch(url, json={"amount": {"value": "9.99", "currency": "DEM"}}, headers=anna.headers)
    assert answer.json()["code"] == "withdrawn_currency"
