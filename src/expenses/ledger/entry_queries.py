"""Expenses as lists show them, by the driver itself: a third of the time of `queries.expenses_on_page`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from expenses.ledger.entries import Entry
from expenses.ledger.snapshot_queries import asked_for, page_of
from expenses.ledger.tables import expense, expense_line
from expenses.money import CURRENCIES, Money

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.db import HotQuery, Session
    from expenses.ledger.cursor import PageKey
    from expenses.ledger.model import ExpenseFilter

_categories_of_lines = (
    select(func.array_agg(aggregate_order_by(expense_line.c.category_id, expense_line.c.position)))
    .where(expense_line.c.workspace_id == expense.c.workspace_id, expense_line.c.expense_id == expense.c.id)
    .correlate(expense)
    .scalar_subquery()
)
_COLUMNS: tuple[Any, ...] = (
    expense.c.id,
    expense.c.spent_on,
    expense.c.amount_minor,
    expense.c.currency,
    expense.c.merchant,
    expense.c.category_id,
    case((expense.c.line_count.is_not(None), _categories_of_lines)),
    expense.c.note,
    expense.c.tags,
    expense.c.version,
)


async def entries_on_page(
    session: Session, *, workspace_id: UUID, filters: ExpenseFilter, after: PageKey | None, limit: int
) -> list[Entry]:
    """As `queries.expenses_on_page`, only what a list shows. Of the filter only the days are looked at."""
    given = asked_for(filters, after)
    rows = await _entries_query(frozenset(given), limit).rows(session, workspace_id=workspace_id, **given)
    return [
        Entry(key, day, Money(minor, CURRENCIES[code]), merchant, tuple(lined or (one,)), note, tuple(tags), version)
        for key, day, minor, code, merchant, one, lined, note, tags, version in rows
    ]


@lru_cache(maxsize=64)
def _entries_query(given: frozenset[str], most: int) -> HotQuery:
    return page_of(select(*_COLUMNS), given, most)
