"""What a list shows of expenses, read by the short way or by the long one, is the same."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.recording import category_ids, record

from expenses.ledger.entries import entry_of
from expenses.ledger.model import ExpenseFilter
from expenses.ledger.service import list_entries, list_expenses

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


async def test_every_entry_is_what_its_expense_says_on_every_page(
    session: Session, client: httpx.AsyncClient, anna: Person
) -> None:
    food, other = list((await category_ids(client, anna)).values())[:2]
    lines = [{"value": "1.80", "category_id": other}, {"value": "1.00"}, {"value": "1.00", "category_id": food}]
    for day in ("2026-10-31", "2026-11-01", "2026-11-22", "2026-11-30", "2026-12-01"):
        await record(client, anna, spent_on=day, lines=lines)
        await record(client, anna, spent_on=day, category_id=food, tags=["a", "b"], note="")
        await record(client, anna, spent_on=day, amount={"value": "-3", "currency": "JPY"}, tags=[])
        gone = await record(client, anna, spent_on=day)
        await client.delete(f"{anna.url}/expenses/{gone['id']}", headers=anna.headers)
    home: dict[str, Any] = {"actor": anna.actor, "workspace_id": anna.workspace.id}
    for filters, number in (
        (ExpenseFilter(), 15),
        (ExpenseFilter(from_day=date(2026, 11, 1), to_day=date(2026, 11, 30)), 9),
        (ExpenseFilter(to_day=date(2026, 11, 1), is_uncategorised=True), 4),
        (ExpenseFilter(from_day=date(2026, 11, 30), q="amount<0"), 2),
    ):
        seen, cursor = 0, None
        while True:
            entries = await list_entries(session, **home, filters=filters, limit=4, cursor=cursor)
            expenses = await list_expenses(session, **home, filters=filters, limit=4, cursor=cursor)
            assert entries.items == [entry_of(each) for each in expenses.items]
            assert entries.next == expenses.next
            seen, cursor = seen + len(entries.items), entries.next
            if cursor is None:
                break
        assert seen == number, filters
