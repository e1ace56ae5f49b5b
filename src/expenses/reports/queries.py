"""The questions that reports ask the database. They only read."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    Numeric,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
)

from expenses.db import HotQuery
from expenses.money import CURRENCIES, Money
from expenses.reports.model import CategorySum, ConvertedSum, DaySum
from expenses.reports.tables import NO_CATEGORY, category_sum, day_sum
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import BindParameter

    from expenses.db import Session
    from expenses.money import Currency

_BASE, _DAY, _CONVERTED, _CATEGORY = range(4)
"""What a row is about; `_DAY` and `_CONVERTED` are what PostgreSQL's `grouping` says, and 1."""

_WORKSPACE: BindParameter[UUID] = bindparam("workspace_id")
_BY_DAY = (day_sum.c.spent_on, day_sum.c.currency)
_BY_BASE = (day_sum.c.currency, day_sum.c.base_currency)
SUMS = HotQuery(
    union_all(
        select(
            literal_column(str(_BASE)).label("kind"),
            workspace.c.base_currency.label("currency"),
            cast(null(), Date).label("spent_on"),
            cast(null(), Uuid).label("category_id"),
            workspace.c.base_currency,
            cast(0, Numeric).label("minor"),
            cast(0, Numeric).label("base_minor"),
            cast(0, BigInteger).label("number"),
        ).where(workspace.c.id == _WORKSPACE),
        select(
            func.grouping(day_sum.c.spent_on) + 1,
            day_sum.c.currency,
            day_sum.c.spent_on,
            null(),
            day_sum.c.base_currency,
            func.sum(day_sum.c.minor),
            func.sum(day_sum.c.base_minor),
            cast(func.sum(day_sum.c.number), BigInteger),
        )
        .where(
            day_sum.c.workspace_id == _WORKSPACE,
            day_sum.c.spent_on.between(bindparam("first_day"), bindparam("last_day")),
        )
        .group_by(func.grouping_sets(tuple_(*_BY_DAY), tuple_(*_BY_BASE)))
        .having(func.sum(day_sum.c.number) != 0),
        select(
            literal_column(str(_CATEGORY)),
            category_sum.c.currency,
            null(),
            category_sum.c.category_id,
            null(),
            func.sum(category_sum.c.minor),
            null(),
            cast(func.sum(category_sum.c.number), BigInteger),
        )
        .where(category_sum.c.workspace_id == _WORKSPACE, category_sum.c.month == bindparam("first_day"))
        .group_by(category_sum.c.category_id, category_sum.c.currency)
        .having(func.sum(category_sum.c.number) != 0),
    )
)
"""All that a report says, of one moment and in one round trip: a row for the base currency, one for each day and
currency, one for each currency and what it was converted into (itself, if it was not), and one for each category and
currency, however many expenses there are."""

_NONE: Final = UUID(NO_CATEGORY)


async def sums_of_month(
    session: Session, *, workspace_id: UUID, first_day: date, last_day: date
) -> tuple[list[CategorySum], list[DaySum], list[ConvertedSum], Currency]:
    """What was spent in a month, by category, by day, and as far as it was converted, each by currency.

    And the base currency, into which that was; not what was converted into an earlier one. Reads sums only.
    """
    values = {"workspace_id": workspace_id, "first_day": first_day, "last_day": last_day}
    by_category, by_day, converted = [], [], []
    base, *rows = sorted(await SUMS.rows(session, **values), key=itemgetter(0, 1))
    base_currency = CURRENCIES[base[1]]
    # Unpacked, not by the names of columns: a full month has two hundred rows.
    for kind, code, day, category_id, into, minor, base_minor, number in rows:
        amount = Money(int(minor), CURRENCIES[code])
        if kind == _DAY:
            by_day.append(DaySum(day, amount, number))
        elif kind == _CATEGORY:
            by_category.append(CategorySum(None if category_id == _NONE else category_id, amount, number))
        elif into == base_currency.code != code:
            converted.append(ConvertedSum(amount, Money(int(base_minor), base_currency), number))
    return by_category, by_day, converted, base_currency
