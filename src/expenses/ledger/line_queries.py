"""The part of `ledger.queries` that knows how lines are stored. Lines are looked at only where an expense has any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON, and_, bindparam, case, func, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on

from expenses.ledger.lines import Line
from expenses.ledger.tables import expense, expense_line
from expenses.money import Money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import FromClause, Label, Select

    from expenses.db import Session
    from expenses.ledger.cursor import PageKey
    from expenses.ledger.model import Expense, ExpenseFilter
    from expenses.money import Currency

_COLUMNS = (expense_line.c.category_id, expense_line.c.amount_minor, expense_line.c.note)
_LINES = (
    select(*_COLUMNS)
    .where(
        expense_line.c.workspace_id == bindparam("workspace_id"), expense_line.c.expense_id == bindparam("expense_id")
    )
    .order_by(expense_line.c.position)
)


def lines_of(rows: FromClause) -> Label[Any]:
    """A column `lines` for a query of these expenses: null, without a look at the lines, for one that has none."""
    in_order = aggregate_order_by(func.json_build_array(*_COLUMNS), expense_line.c.position)
    found = (
        select(func.json_agg(in_order, type_=JSON))
        .where(expense_line.c.workspace_id == rows.c.workspace_id, expense_line.c.expense_id == rows.c.id)
        .correlate(rows)
        .scalar_subquery()
    )
    return case((rows.c.line_count.is_not(None), found)).label("lines")


async def lines_with_expense(session: Session, *, workspace_id: UUID, expense_id: UUID) -> Sequence[Sequence[Any]]:
    """The lines of one expense, as `line_of` takes them."""
    return (await session.execute(_LINES, {"workspace_id": workspace_id, "expense_id": expense_id})).all()


def expenses_by_line(filters: ExpenseFilter, after: PageKey | None, limit: int) -> Select[Any]:
    """Day and id of the newest expenses that have lines; add which lines they must have. Each expense is there once."""
    line = expense_line.c
    same = and_(expense.c.workspace_id == line.workspace_id, expense.c.id == line.expense_id)
    keys = select(line.spent_on, line.expense_id).ext(distinct_on(line.spent_on, line.expense_id))
    keys = keys.join(expense, same).where(line.workspace_id == bindparam("workspace_id"))
    if filters.from_day is not None:
        keys = keys.where(line.spent_on >= filters.from_day)
    if filters.to_day is not None:
        keys = keys.where(line.spent_on <= filters.to_day)
    if after is not None:
        keys = keys.where(tuple_(line.spent_on, line.expense_id) < tuple_(after.spent_on, after.id))
    return keys.order_by(line.spent_on.desc(), line.expense_id.desc()).limit(limit)


def line_of(values: Sequence[Any], currency: Currency) -> Line:
    """A line as the database tells it, be it as a row or as JSON."""
    category_id, minor, note = values
    if isinstance(category_id, str):
        category_id = UUID(category_id)
    return Line(category_id, Money(minor, currency), note)


def line_values(each: Expense) -> list[dict[str, Any]]:
    """The rows for the lines of an expense, but for the workspace."""
    return [
        {
            "expense_id": each.id,
            "position": position,
            "spent_on": each.spent_on,
            "category_id": line.category_id,
            "amount_minor": line.amount.minor,
            "note": line.note,
        }
        for position, line in enumerate(each.lines)
    ]
