"""What PostgreSQL writes of expenses is, to the last digit, what the application would write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from tests.ledger.recording import category_ids, record

from expenses.ledger import queries
from expenses.ledger.cursor import PageKey
from expenses.ledger.model import ExpenseFilter
from expenses.ledger.snapshot_queries import shown_on_page, shown_with_id
from expenses.ledger.tables import expense
from expenses.money import CURRENCIES, LARGEST_MINOR, Money

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio

EVERYTHING = ExpenseFilter()
TEXTS = (
    '"quoted" \\ back',
    "tab\tline\nend",
    "\x01\x1f\x7f",
    "</script>",
    "Ünïcödé 🧾 \u2028",
    "  blanks  ",
    "'; DROP--",
)


async def test_amounts_of_all_currencies_are_written_with_their_digits(
    session: Session, client: httpx.AsyncClient, anna: Person
) -> None:
    await record(client, anna)
    for code, currency in CURRENCIES.items():
        for minor in (0, 1, -1, 5, -10, 100, 12345, LARGEST_MINOR, -LARGEST_MINOR):
            await session.execute(update(expense).values(currency=code, amount_minor=minor))
            (text,) = await shown_on_page(
                session, workspace_id=anna.workspace.id, filters=EVERYTHING, after=None, limit=2
            )
            said = json.loads(str(text))["amount"]
            assert said == {"value": Money(minor, currency).decimal_text(), "currency": code}


async def test_texts_are_written_as_the_application_would(client: httpx.AsyncClient, anna: Person) -> None:
    food = next(iter((await category_ids(client, anna)).values()))
    for text in TEXTS:
        said = await record(
            client, anna, note=text, merchant=text.replace("\x01", "."), tags=[text.strip()], category_id=food
        )
        assert (await client.get(f"{anna.url}/expenses/{said['id']}", headers=anna.headers)).json() == said


async def test_every_plain_expense_reads_as_its_snapshot(
    session: Session, client: httpx.AsyncClient, anna: Person
) -> None:
    """And the others, with lines, shares or a conversion, are left to the application."""
    home = anna.workspace.id
    lines = [{"value": "1.80", "note": "bread"}, {"value": "2.00"}]
    split = {"mode": "even", "among": [str(anna.user.id)]}
    entered = await client.put(f"{anna.url}/rates/USD/EUR/2026-11-22", json={"rate": "0.9"}, headers=anna.headers)
    assert entered.status_code in {200, 201}, entered.text
    plain = [await record(client, anna), await record(client, anna, payer_id=None, note="", tags=[])]
    rich = [
        await record(client, anna, lines=lines),
        await record(client, anna, split=split),
        await record(client, anna, amount={"value": "3.80", "currency": "USD"}),
    ]
    assert rich[-1]["converted"] is not None
    shown = await shown_on_page(session, workspace_id=home, filters=EVERYTHING, after=None, limit=10)
    newest_first = [*reversed(plain + rich)]
    assert [json.loads(each) if isinstance(each, str) else str(each) for each in shown] == [
        each if each in plain else each["id"] for each in newest_first
    ]
    objects = await queries.expenses_on_page(session, workspace_id=home, filters=EVERYTHING, after=None, limit=10)
    assert [each.snapshot() for each in objects] == newest_first
    page = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()
    assert page == {"items": newest_first, "next": None}
    for each, one in zip(objects, newest_first, strict=True):
        found = await shown_with_id(session, workspace_id=home, expense_id=each.id)
        assert found is None if one in rich else found and (json.loads(found[0]), found[1]) == (one, 1)
        assert (await client.get(f"{anna.url}/expenses/{each.id}", headers=anna.headers)).json() == one


async def test_days_and_key_narrow_the_page_as_they_do_for_objects(
    session: Session, client: httpx.AsyncClient, anna: Person
) -> None:
    home = anna.workspace.id
    for day in (3, 1, 2, 2, 5, 4):
        await record(client, anna, spent_on=f"2026-11-0{day}")
    everything = await queries.expenses_on_page(session, workspace_id=home, filters=EVERYTHING, after=None, limit=9)
    days = [everything[-1].spent_on, everything[2].spent_on, None]
    for first in days:
        for last in days:
            for after in (None, *(PageKey(each.spent_on, each.id) for each in everything)):
                wanted = {"filters": ExpenseFilter(from_day=first, to_day=last), "after": after, "limit": 3}
                objects = await queries.expenses_on_page(session, workspace_id=home, **wanted)  # type: ignore[arg-type]  # as named
                shown = await shown_on_page(session, workspace_id=home, **wanted)  # type: ignore[arg-type]  # as named
                assert [json.loads(str(each)) for each in shown] == [each.snapshot() for each in objects]
