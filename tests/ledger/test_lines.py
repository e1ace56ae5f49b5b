"""One purchase of several categories: what is stored, found, reported, changed and refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.recording import COFFEE, category_ids, record

from expenses.ledger import queries, service
from expenses.ledger.lines import InvalidLines, Line, LinesDoNotAddUp, check_lines
from expenses.ledger.model import ExpenseFilter
from expenses.money import CURRENCIES, LARGEST_MINOR, Money

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, Person

    from expenses.db import Session
    from expenses.money import Currency

amounts = st.integers(-LARGEST_MINOR, LARGEST_MINOR)
currencies = st.sampled_from([CURRENCIES[code] for code in ("JPY", "EUR", "KWD")])


@given(st.lists(amounts, min_size=2, max_size=8), currencies, st.integers(-2, 2))
def test_lines_stand_only_if_no_minor_unit_is_lost_or_gained(parts: list[int], currency: Currency, off: int) -> None:
    lines = [Line(None, Money(part, currency)) for part in parts]
    if off == 0:
        check_lines(Money(sum(parts), currency), lines)
    else:
        with pytest.raises(LinesDoNotAddUp):
            check_lines(Money(sum(parts) + off, currency), lines)


def test_one_line_is_none() -> None:
    with pytest.raises(InvalidLines):
        check_lines(Money(5, CURRENCIES["EUR"]), [Line(None, Money(5, CURRENCIES["EUR"]))])


def test_the_refusal_says_how_much_is_missing() -> None:
    with pytest.raises(LinesDoNotAddUp, match=r"come to 0\.02 less"):
        check_lines(Money(5, CURRENCIES["EUR"]), [Line(None, Money(m, CURRENCIES["EUR"])) for m in (1, 2)])


@pytest.fixture
async def ids(client: httpx.AsyncClient, anna: Person) -> dict[str, str]:
    return await category_ids(client, anna)


@pytest.fixture
async def receipt(client: httpx.AsyncClient, anna: Person, ids: dict[str, str]) -> dict[str, Any]:
    """An expense of 12.50 with three lines, two of them of the same category."""
    lines = [
        {"category_id": ids["Restaurants"], "value": "8.00", "note": "bread"},
        {"category_id": ids["Fuel"], "value": "5.00", "note": ""},
        {"category_id": ids["Restaurants"], "value": "-0.50", "note": "deposit"},
    ]
    amount = {"value": "12.50", "currency": "EUR"}
    return await record(client, anna, amount=amount, lines=lines)


async def listed(client: httpx.AsyncClient, anna: Person, **params: str) -> list[dict[str, Any]]:
    answer = await client.get(f"{anna.url}/expenses", params=params, headers=anna.headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.anyio
async def test_lines_are_read_back_in_their_order(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], receipt: dict[str, Any]
) -> None:
    assert receipt["category_id"] is None
    assert [line["value"] for line in receipt["lines"]] == ["8.00", "5.00", "-0.50"]
    url = f"{anna.url}/expenses/{receipt['id']}"
    assert (await client.get(url, headers=anna.headers)).json() == receipt
    plain = await record(client, anna, category_id=ids["Coffee"], spent_on="2026-11-23")
    assert plain["lines"] == []
    assert await listed(client, anna) == [plain, receipt]


@pytest.mark.anyio
async def test_an_expense_with_lines_is_found_once_under_each_of_its_categories(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], receipt: dict[str, Any]
) -> None:
    for number in range(3):
        await record(client, anna, category_id=ids["Fuel"], spent_on=f"2026-10-0{number + 1}")
    for name in ("Restaurants", "Eating out"):
        assert await listed(client, anna, category_id=ids[name]) == [receipt]
    fuel = await listed(client, anna, category_id=ids["Fuel"])
    assert [each["spent_on"] for each in fuel] == ["2026-11-22", "2026-10-03", "2026-10-02", "2026-10-01"]
    assert await listed(client, anna, category_id=ids["Coffee"]) == []
    assert await listed(client, anna, category_id="none") == []
    assert await listed(client, anna, category_id=ids["Restaurants"], to="2026-11-21") == []
    assert await listed(client, anna, category_id=ids["Restaurants"], q="nowhere") == []


@pytest.mark.anyio
async def test_turning_pages_of_a_category_shows_each_expense_once(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str]
) -> None:
    both = [{"category_id": ids[name], "value": "1.00"} for name in ("Restaurants", "Takeaway", "Restaurants")]
    for number in range(1, 10):
        content = {"lines": both, "amount": {"value": "3", "currency": "EUR"}} if number % 2 else {}
        content |= {} if number % 2 else {"category_id": ids["Eating out"]}
        await record(client, anna, spent_on=f"2026-11-{(number + 1) // 2:02}", **content)
    everything = [each["id"] for each in await listed(client, anna)]
    seen: list[str] = []
    params = {"category_id": ids["Eating out"], "limit": "2"}
    while True:
        page = (await client.get(f"{anna.url}/expenses", params=params, headers=anna.headers)).json()
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert seen == everything


@pytest.mark.anyio
async def test_a_line_without_category_counts_as_uncategorised(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str]
) -> None:
    lines = [{"value": "2.00"}, {"value": "1.00", "category_id": ids["Fuel"]}, {"value": "0.80"}]
    mixed = await record(client, anna, lines=lines)
    plain = await record(client, anna, spent_on="2026-11-23")
    assert await listed(client, anna, category_id="none") == [plain, mixed]


@pytest.mark.anyio
async def test_the_month_counts_each_line_in_its_category(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], receipt: dict[str, Any]
) -> None:
    await record(client, anna, category_id=ids["Restaurants"])
    answer = await client.get(f"{anna.url}/reports/monthly?month=2026-11", headers=anna.headers)
    report = answer.json()
    assert report["count"] == 2
    assert report["totals"] == [{"value": "16.30", "currency": "EUR"}]
    found = {child["name"]: child["totals"][0]["value"] for each in report["categories"] for child in each["children"]}
    assert found == {"Restaurants": "11.30", "Fuel": "5.00"}
    assert "Uncategorised" not in {each["name"] for each in report["categories"]}
    await client.delete(f"{anna.url}/expenses/{receipt['id']}", headers=anna.headers)
    report = (await client.get(f"{anna.url}/reports/monthly?month=2026-11", headers=anna.headers)).json()
    assert [each["totals"][0]["value"] for each in report["categories"]] == ["3.80"]


@pytest.mark.anyio
async def test_a_change_of_lines_is_a_version_of_the_expense_and_on_record(
    client: httpx.AsyncClient, anna: Person, clock: Clock, ids: dict[str, str], receipt: dict[str, Any]
) -> None:
    url = f"{anna.url}/expenses/{receipt['id']}"
    lines = [{"category_id": ids["Fuel"], "value": "4.00", "note": ""}, receipt["lines"][0]]
    clock.turn(timedelta(minutes=1))
    body = {"lines": lines, "amount": {"value": "12.00", "currency": "EUR"}}
    answer = await client.patch(url, json=body, headers=anna.headers | {"If-Match": '"1"'})
    changed = answer.json()
    assert (changed["lines"], changed["version"], answer.headers["ETag"]) == (lines, 2, '"2"')
    assert (await client.patch(url, json={"lines": lines}, headers=anna.headers)).json()["version"] == 2
    stale = await client.patch(url, json={"lines": []}, headers=anna.headers | {"If-Match": '"1"'})
    assert stale.status_code == 412
    clock.turn(timedelta(minutes=1))
    whole = (await client.patch(url, json={"lines": [], "category_id": ids["Fuel"]}, headers=anna.headers)).json()
    assert (whole["lines"], whole["category_id"]) == ([], ids["Fuel"])
    clock.turn(timedelta(minutes=1))
    again = (await client.patch(url, json={"lines": lines}, headers=anna.headers)).json()
    assert (again["lines"], again["category_id"]) == (lines, None)
    audit = await client.get(f"{anna.url}/audit", params={"entity_id": receipt["id"]}, headers=anna.headers)
    assert [each["after"] for each in audit.json()["items"]] == [again, whole, changed, receipt]
    assert [each["before"] for each in audit.json()["items"]] == [whole, changed, receipt, None]


@pytest.mark.anyio
async def test_lines_follow_their_expense_to_another_day_into_the_trash_and_back(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], receipt: dict[str, Any]
) -> None:
    url = f"{anna.url}/expenses/{receipt['id']}"
    await client.patch(url, json={"spent_on": "2026-10-31"}, headers=anna.headers)
    assert [each["id"] for each in await listed(client, anna, category_id=ids["Fuel"], to="2026-10-31")]
    await client.delete(url, headers=anna.headers)
    assert await listed(client, anna, category_id=ids["Fuel"]) == []
    back = (await client.post(f"{url}/restore", headers=anna.headers)).json()
    assert back["lines"] == receipt["lines"]
    assert await listed(client, anna, category_id=ids["Fuel"]) == [back]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"lines": [{"value": "3.80"}]}, "invalid_lines"),
        ({"lines": [{"value": "1.00"}, {"value": "2.81"}]}, "lines_do_not_add_up"),
        ({"lines": [{"value": "1.005"}, {"value": "2.795"}]}, "invalid_amount"),
        ({"lines": [{"value": "1.9e0"}, {"value": "1.90"}]}, "invalid_amount"),
        ({"lines": [{"value": 1.9}, {"value": "1.90"}]}, "malformed"),
        ({"lines": [{"value": "1.90", "currency": "USD"}, {"value": "1.90"}]}, "malformed"),
        ({"lines": [{"value": "1.90", "note": "\0"}, {"value": "1.90"}]}, "invalid_text"),
        ({"lines": [{"value": "1.90", "category_id": "ANOTHER"}, {"value": "1.90"}]}, "unknown_category"),
        ({"lines": [{"value": "1.90"}] * 2, "category_id": "OURS"}, "invalid_lines"),
        ({"lines": [{"value": "0"}] * 101}, "malformed"),
        ({"lines": None}, "malformed"),
    ],
)
async def test_lines_that_cannot_stand_are_refused(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], *, wrong: dict[str, Any], code: str
) -> None:
    wrong = json.loads(json.dumps(wrong).replace("ANOTHER", str(anna.user.id)).replace("OURS", ids["Fuel"]))
    fresh = await client.post(f"{anna.url}/expenses", json=COFFEE | wrong, headers=anna.headers)
    assert (fresh.status_code, fresh.json()["code"]) == (422, code)
    plain = await record(client, anna)
    url = f"{anna.url}/expenses/{plain['id']}"
    changed = await client.patch(url, json=wrong, headers=anna.headers)
    assert (changed.status_code, changed.json()["code"]) == (422, code)
    assert (await client.get(url, headers=anna.headers)).json() == plain


@pytest.mark.anyio
@pytest.mark.parametrize("change", [{"amount": {"value": "12.51", "currency": "EUR"}}, {"category_id": "OURS"}])
async def test_a_change_that_its_lines_contradict_is_refused(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], receipt: dict[str, Any], *, change: dict[str, Any]
) -> None:
    body = {"category_id": ids["Fuel"]} if "category_id" in change else change
    url = f"{anna.url}/expenses/{receipt['id']}"
    assert (await client.patch(url, json=body, headers=anna.headers)).status_code == 422
    assert (await client.get(url, headers=anna.headers)).json() == receipt


@pytest.mark.anyio
async def test_an_archived_category_may_stay_in_a_line_but_not_be_newly_chosen(
    client: httpx.AsyncClient, anna: Person, ids: dict[str, str], receipt: dict[str, Any]
) -> None:
    await client.delete(f"{anna.url}/categories/{ids['Fuel']}", headers=anna.headers)
    url = f"{anna.url}/expenses/{receipt['id']}"
    swapped = {"lines": receipt["lines"][::-1]}
    assert (await client.patch(url, json=swapped, headers=anna.headers)).status_code == 200
    answer = await client.post(f"{anna.url}/expenses", json=receipt_body(receipt), headers=anna.headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "lines")


def receipt_body(receipt: dict[str, Any]) -> dict[str, Any]:
    return {name: receipt[name] for name in ("spent_on", "amount", "merchant", "lines")}


@pytest.mark.anyio
@pytest.mark.usefixtures("receipt")
async def test_the_lines_of_a_page_come_with_it_in_one_statement(session: Session, anna: Person) -> None:
    found = await queries.expenses_on_page(
        session, workspace_id=anna.workspace.id, filters=ExpenseFilter(), after=None, limit=10
    )
    assert [len(each.lines) for each in found] == [3]
    again = await service.get_expense(session, actor=anna.actor, workspace_id=anna.workspace.id, expense_id=found[0].id)
    assert again == found[0]
