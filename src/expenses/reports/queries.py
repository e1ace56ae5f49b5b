"""The questions that reports ask the database. They only read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import BigInteger, Date, Numeric, Uuid, bindparam, cast, func, literal_column, null, select, union_all

from expenses.db import HotQuery
from expenses.money import CURRENCIES, Money
from expenses.reports.model import CategorySum, ConvertedSum, DaySum
from expenses.reports.tables import NO_CATEGORY, category_sum, day_sum
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from sqlalchemy import BindParameter

    from expenses.db import Session
    from expenses.money import Currency

_BASE, _DAY, _CATEGORY = range(3)
"""What a row is about."""

_WORKSPACE: BindParameter[UUID] = bindparam("workspace_id")
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
            literal_column(str(_DAY)),
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
        .group_by(day_sum.c.spent_on, day_sum.c.currency, day_sum.c.base_currency)
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
currency, and one for each category and currency, however many expenses there are."""


async def sums_of_month(
    session: Session, *, workspace_id: UUID, first_day: date, last_day: date
) -> tuple[list[CategorySum], list[DaySum], list[ConvertedSum], Currency]:
    """What was spent in a month, by category, by day, and as far as it was converted, each by currency.

    And the base currency, into which that was. Reads sums only.
    """
    values = {"workspace_id": workspace_id, "first_day": first_day, "last_day": last_day}
    by_category, by_day, others, base = [], [], [], ""
    # Unpacked, not by the names of columns: a full month has a hundred rows.
    for kind, code, day, category_id, into, minor, base_minor, number in await SUMS.rows(session, **values):
        if kind == _DAY:
            by_day.append(DaySum(day, Money(int(minor), CURRENCIES[code]), number))
            if into != code:
                others.append((code, into, int(minor), int(base_minor), number))
        elif kind == _CATEGORY:
            its = None if category_id == _NONE else category_id
            by_category.append(CategorySum(its, Money(int(minor), CURRENCIES[code]), number))
        else:
            base = code
    return by_category, by_day, _converted(others, base), CURRENCIES[base]


_NONE: Final = UUID(NO_CATEGORY)


def _converted(days: Iterable[tuple[str, str, int, int, int]], base: str) -> list[ConvertedSum]:
    """What was converted into the base currency, by the currency that it was in; not what was into an earlier base."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for code, into, *values in days:
        if into == base != code:
            found[code] = [one + more for one, more in zip(found[code], values, strict=True)]
    return [
        ConvertedSum(Money(minor, CURRENCIES[code]), Money(base_minor, CURRENCIES[base]), number)
        for code, (minor, base_minor, number) in found.items()
    ]
