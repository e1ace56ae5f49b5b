"""What a list shows of an expense, of which a page has fifty. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from expenses.ledger.model import Expense
    from expenses.money import Money


class Entry(NamedTuple):
    """An expense without what its own page alone shows: who divides it, what it was worth, and when it was written."""

    id: UUID
    spent_on: date
    amount: Money
    merchant: str
    category_ids: tuple[UUID | None, ...]
    """Those of its lines, in their order, if it has any."""
    note: str
    tags: tuple[str, ...]
    version: int


def entry_of(expense: Expense) -> Entry:
    """What a list shows of this expense."""
    category_ids = tuple([line.category_id for line in expense.lines]) or (expense.category_id,)
    return Entry(
        id=expense.id,
        spent_on=expense.spent_on,
        amount=expense.amount,
        merchant=expense.merchant,
        category_ids=category_ids,
        note=expense.note,
        tags=expense.tags,
        version=expense.version,
    )
