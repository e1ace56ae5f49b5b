"""The month report over HTTP adds up to exactly what the list shows."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


async def record(client: httpx.AsyncClient, person: Person, **fields: object) -> dict[str, Any]:
    body = {"spent_on": "2026-11-05", "merchant": "Shop"} | fields
    answer = await client.post(f"{person.url}/expenses", json=body, headers=person.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def report_on(client: httpx.AsyncClient, person: Person, month: str) -> dict[str, Any]:
    answer = await client.get(f"{person.url}/reports/monthly", params={"month": month}, headers=person.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def categories_by_name(client: httpx.AsyncClient, person: Person) -> dict[str, dict[str, Any]]:
    answer = await client.get(f"{person.url}/categories", headers=person.headers)
    return {item["name"]: item for item in answer.json()["items"]}


def eur(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


async def test_names_of_categories_are_told_whatever_is_in_them(client: httpx.AsyncClient, anna: Person) -> None:
    name = 'Ünal & "Söhne" \\ <b>日本</b>'
    made = await client.post(f"{anna.url}/categories", json={"name": name}, headers=anna.headers)
    parent = made.json()["id"]
    body = {"name": f"{name} 2", "parent_id": parent}
    child = (await client.post(f"{anna.url}/categories", json=body, headers=anna.headers)).json()["id"]
    await record(client, anna, amount=eur("1.00"), category_id=child)
    (told,) = (await report_on(client, anna, "2026-11"))["categories"]
    assert (told["id"], told["name"], told["own"]) == (parent, name, [])
    assert [(each["id"], each["name"]) for each in told["children"]] == [(child, f"{name} 2")]


async def test_a_month_is_added_up_by_currency_category_and_day(client: httpx.AsyncClient, anna: Person) -> None:
    categories = await categories_by_name(client, anna)
    transport, fuel = categories["Transport"], categories["Fuel"]
    yen = {"value": "1200", "currency": "JPY"}
    await record(client, anna, amount=eur("40.10"), category_id=fuel["id"])
    await record(client, anna, amount=eur("2.95"), category_id=transport["id"], spent_on="2026-11-30")
    await record(client, anna, amount=yen, category_id=transport["id"])
    await record(client, anna, amount=eur("-0.05"))
    await record(client, anna, amount=eur("99.99"), spent_on="2026-12-01")
    await record(client, anna, amount=eur("99.99"), spent_on="2026-10-31")
    gone = await record(client, anna, amount=eur("500.00"))
    await client.delete(f"{anna.url}/expenses/{gone['id']}", headers=anna.headers)
    assert await report_on(client, anna, "2026-11") == {
        "month": "2026-11",
        "count": 4,
        "totals": [eur("43.00"), yen],
        "categories": [
            {
                "id": transport["id"],
                "name": "Transport",
                "color": transport["color"],
                "totals": [eur("43.05"), yen],
                "own": [eur("2.95"), yen],
                "children": [
                    {"id": fuel["id"], "name": "Fuel", "color": fuel["color"], "totals": [eur("40.10")]},
                ],
            },
            {
                "id": None,
                "name": "Uncategorised",
                "color": "#8b928e",
                "totals": [eur("-0.05")],
                "own": [eur("-0.05")],
                "children": [],
            },
        ],
        "days": [
            {"day": "2026-11-05", "totals": [eur("40.05"), yen]},
            {"day": "2026-11-30", "totals": [eur("2.95")]},
        ],
        "in_base_currency": {"total": eur("43.00"), "not_converted": {"count": 1, "totals": [yen]}},
    }


async def test_an_empty_month_adds_up_to_nothing(client: httpx.AsyncClient, anna: Person) -> None:
    nothing: dict[str, Any] = {"count": 0, "totals": [], "categories": [], "days": []}
    nothing["in_base_currency"] = {"total": eur("0.00"), "not_converted": {"count": 0, "totals": []}}
    assert await report_on(client, anna, "2026-02") == {"month": "2026-02"} | nothing


async def test_an_archived_category_still_counts(client: httpx.AsyncClient, anna: Person) -> None:
    category = (await categories_by_name(client, anna))["Groceries"]
    await record(client, anna, amount=eur("7.00"), category_id=category["id"])
    await client.delete(f"{anna.url}/categories/{category['id']}", headers=anna.headers)
    report = await report_on(client, anna, "2026-11")
    assert [(each["name"], each["totals"]) for each in report["categories"]] == [("Groceries", [eur("7.00")])]


async def test_the_largest_amounts_add_up_exactly(client: httpx.AsyncClient, anna: Person) -> None:
    for _ in range(12):  # a sum beyond 2 ** 53, where a float would lose units
        await record(client, anna, amount=eur("9999999999999.99"))
    assert (await report_on(client, anna, "2026-11"))["totals"] == [eur("119999999999999.88")]


async def test_totals_are_the_sum_of_the_listed_rows(client: httpx.AsyncClient, anna: Person) -> None:
    categories = [None, *[each["id"] for each in (await categories_by_name(client, anna)).values()]]
    values = {"EUR": "12.34", "JPY": "7", "KWD": "-0.001", "CLF": "1.0001"}
    for number in range(60):
        code = list(values)[number % 4]
        amount = {"value": values[code], "currency": code}
        day = f"2026-11-{number % 30 + 1:02}"
        await record(client, anna, amount=amount, category_id=categories[number % 13], spent_on=day)
    listed = await client.get(
        f"{anna.url}/expenses", params={"from": "2026-11-01", "to": "2026-11-30", "limit": 200}, headers=anna.headers
    )
    expected: Counter[str] = Counter()
    for item in listed.json()["items"]:
        expected[item["amount"]["currency"]] += Decimal(item["amount"]["value"])  # type: ignore[assignment]  # counts what it is given
    report = await report_on(client, anna, "2026-11")
    assert report["count"] == 60
    assert added(report["totals"]) == expected
    assert added(*(each["totals"] for each in report["categories"])) == expected
    assert added(*(each["totals"] for each in report["days"])) == expected


def added(*totals: list[dict[str, str]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for amount in (amount for each in totals for amount in each):
        found[amount["currency"]] = found.get(amount["currency"], Decimal(0)) + Decimal(amount["value"])
    return found


async def test_strangers_see_no_report(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ben = await people.sign_up()
    url = f"{anna.url}/reports/monthly?month=2026-11"
    assert (await client.get(url, headers=ben.headers)).json()["code"] == "not_found"
    assert (await client.get(url)).json()["code"] == "unauthenticated"


NO_MONTHS = [
    "",
    "2026",
    "2026-13",
    "2026-00",
    "2026-1",
    "1899-12",
    "2200-01",
    "9999-12",
    "0000-01",
    "2026-11-01",
    "20\u0662\u0666-11",
    "2026-11\n",
]


async def test_what_is_no_month_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for month in NO_MONTHS:
        answer = await client.get(f"{anna.url}/reports/monthly", params={"month": month}, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_month"), month


async def test_what_goes_into_the_trash_leaves_nothing_behind_in_the_report(
    client: httpx.AsyncClient, anna: Person
) -> None:
    url = f"{anna.url}/reports/monthly?month=2026-11"
    nothing = (await client.get(url, headers=anna.headers)).json()
    category = (await categories_by_name(client, anna))["Groceries"]["id"]
    new = await record(client, anna, amount=eur("3"), category_id=category)
    something = (await client.get(url, headers=anna.headers)).json()
    expense = f"{anna.url}/expenses/{new['id']}"
    await client.delete(expense, headers=anna.headers)
    assert (await client.get(url, headers=anna.headers)).json() == nothing != something
    await client.post(f"{expense}/restore", headers=anna.headers)
    assert (await client.get(url, headers=anna.headers)).json() == something
