"""The questions that reports ask the database. They only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Numeric, bindparam, cast, func, select, tuple_

from expenses.ledger.tables import expense
from expenses.money import CURRENCIES, Money
from expenses.reports.model import CategorySum, DaySum

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from expenses.db import Session

# The sum of bigints is a numeric, which has room for any number of the largest amounts.
_SUMS = (
    select(
        expense.c.currency,
        expense.c.category_id,
        expense.c.spent_on,
        func.grouping(expense.c.spent_on).label("is_by_category"),
        cast(func.sum(expense.c.amount_minor), Numeric).label("minor"),
        func.count().label("expenses"),
    )
    .where(
        expense.c.workspace_id == bindparam("workspace_id"),
        expense.c.spent_on.between(bindparam("first_day"), bindparam("last_day")),
        expense.c.deleted_at.is_(None),
    )
    .group_by(
        func.grouping_sets(
            tuple_(expense.c.currency, expense.c.category_id), tuple_(expense.c.currency, expense.c.spent_on)
        )
    )
)


async def sums_of_days(
    session: Session, *, workspace_id: UUID, first_day: date, last_day: date
) -> tuple[list[CategorySum], list[DaySum]]:
    """What was spent from one day to another, by category and by day, each by currency; one index-only scan."""
    values = {"workspace_id": workspace_id, "first_day": first_day, "last_day": last_day}
    by_category, by_day = [], []
    for row in await session.execute(_SUMS, values):
        amount = Money(int(row.minor), CURRENCIES[row.currency])
        if row.is_by_category:
            by_category.append(CategorySum(row.category_id, amount, row.expenses))
        else:
            by_day.append(DaySum(row.spent_on, amount))
    return by_category, by_day
