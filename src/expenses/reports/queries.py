"""The questions that reports ask the database. They only read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import (
    CHAR,
    BigInteger,
    Date,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    null,
    select,
    tuple_,
    union_all,
)

from expenses.db import HotQuery
from expenses.money import CURRENCIES
from expenses.reports.model import ConversionSum, MonthSums
from expenses.reports.tables import NO_CATEGORY, category_sum, day_sum
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import BindParameter

    from expenses.db import Session
    from expenses.reports.model import MinorByCode

_WORKSPACE: BindParameter[UUID] = bindparam("workspace_id")
_BY_DAY = (day_sum.c.spent_on, day_sum.c.currency)
_BY_BASE = (day_sum.c.currency, day_sum.c.base_currency)
_IS_BY_DAY = func.grouping(day_sum.c.spent_on) == 0
SUMS = HotQuery(
    union_all(
        select(
            workspace.c.base_currency.label("currency"),
            cast(null(), Date).label("spent_on"),
            cast(null(), Uuid).label("category_id"),
            cast(null(), CHAR(3)).label("base_currency"),
            cast(null(), Text).label("minor"),
            cast(null(), Text).label("base_minor"),
            cast(null(), BigInteger).label("number"),
        ).where(workspace.c.id == _WORKSPACE),
        select(
            day_sum.c.currency,
            day_sum.c.spent_on,
            null(),
            day_sum.c.base_currency,
            cast(func.sum(day_sum.c.minor), Text),
            case((~_IS_BY_DAY, cast(func.sum(day_sum.c.base_minor), Text))),
            case((~_IS_BY_DAY, cast(func.sum(day_sum.c.number), BigInteger))),
        )
        .where(
            day_sum.c.workspace_id == _WORKSPACE,
            day_sum.c.spent_on.between(bindparam("first_day"), bindparam("last_day")),
        )
        .group_by(func.grouping_sets(tuple_(*_BY_DAY), tuple_(*_BY_BASE)))
        .having(func.sum(day_sum.c.number) != 0),
        select(
            category_sum.c.currency,
            null(),
            category_sum.c.category_id,
            null(),
            cast(func.sum(category_sum.c.minor), Text),
            null(),
            null(),
        )
        .where(category_sum.c.workspace_id == _WORKSPACE, category_sum.c.month == bindparam("first_day"))
        .group_by(category_sum.c.category_id, category_sum.c.currency)
        .having(func.sum(category_sum.c.number) != 0),
    )
)
"""All that a report says, of one moment and in one round trip: a row for the base currency, one for each day and
currency, one for each currency and what it was converted into (itself, if it was not), and one for each category and
currency, however many expenses there are. What a row is about is what is not null in it. Sums are text: exact as well,
and the driver takes a third of the time of a `Decimal` for it."""

_NONE: Final = UUID(NO_CATEGORY)


async def sums_of_month(session: Session, *, workspace_id: UUID, first_day: date, last_day: date) -> MonthSums:
    """What was spent in a month, by category, by day, and by what it was converted into. Reads sums only."""
    by_category: dict[UUID | None, MinorByCode] = defaultdict(dict)
    by_day: dict[date, MinorByCode] = defaultdict(dict)
    by_conversion = []
    base = ""
    # Unpacked, not by the names of columns: a full month has two hundred rows.
    for code, day, category_id, into, minor, base_minor, number in await SUMS.rows(
        session, workspace_id=workspace_id, first_day=first_day, last_day=last_day
    ):
        if day is not None:
            by_day[day][code] = int(minor)
        elif category_id is not None:
            by_category[category_id][code] = int(minor)
        elif into is not None:
            by_conversion.append(ConversionSum(code, into, int(minor), int(base_minor), number))
        else:
            base = code
    if _NONE in by_category:
        by_category[None] = by_category.pop(_NONE)
    return MonthSums(CURRENCIES[base], by_conversion, by_category, by_day)
