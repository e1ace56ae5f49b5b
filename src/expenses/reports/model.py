"""What a month adds up to. Pure: no I/O, no clock.

Amounts of different currencies are never added: wherever there is a total, there is one for each currency.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from expenses.errors import Invalid
from expenses.ledger.categories import DEFAULT_COLOR
from expenses.ledger.model import EARLIEST_DAY, LATEST_DAY
from expenses.money import CURRENCIES, Money

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from expenses.ledger.categories import Category
    from expenses.money import Currency

MinorByCode = dict[str, int]
"""Minor units by the code of their currency. A full month has hundreds of them, and a `Money` for each would take as
long as its text; `moneys` makes them where few are needed."""

UNCATEGORISED: Final = "Uncategorised"
"""Name of what has no category."""

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


class InvalidMonth(Invalid):
    """A month is written as YYYY-MM, from 1900-01 to 2199-12."""

    code = "invalid_month"


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One calendar month in which something can be spent. Raises `InvalidMonth` for any other."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (EARLIEST_DAY.year <= self.year <= LATEST_DAY.year and 1 <= self.month <= 12):
            raise InvalidMonth(field="month")

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month in `2026-11`. Raises `InvalidMonth`."""
        match = _MONTH.fullmatch(text)
        if match is None:
            raise InvalidMonth(field="month")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Month:
        """The month that a day is in."""
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return (self.first_day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)

    def shifted(self, by: int) -> Month:
        """The month so many months later, or earlier. Raises `InvalidMonth` beyond the first and the last."""
        year, month = divmod(self.year * 12 + self.month - 1 + by, 12)
        return Month(year, month + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


class ConversionSum(NamedTuple):
    """What the expenses of one currency come to that were converted into another, in both of them.

    Those that were not converted are a sum of their own, `into` the currency that they are in.
    """

    code: str
    into: str
    minor: int
    base_minor: int
    number: int
    """Of expenses."""


@dataclass(frozen=True, slots=True)
class MonthSums:
    """What was spent in a month, as the database has added it up; by category, and by day."""

    base: Currency
    """The workspace's currency; some expenses may have been converted into an earlier one."""
    by_conversion: Sequence[ConversionSum]
    """All that was spent."""
    by_category: Mapping[UUID | None, MinorByCode]
    """Expenses with lines count in several. `None`: in none."""
    by_day: Mapping[date, MinorByCode]


@dataclass(frozen=True, slots=True)
class InBase:
    """What a month comes to in the base currency, and what is not in that because nobody knows a rate."""

    total: Money
    not_converted: tuple[Money, ...]
    """One amount for each currency, by code."""
    not_converted_count: int
    """How many expenses these are."""


class CategoryTotals(NamedTuple):
    """What a category comes to, in each currency, in the order of their codes."""

    id: UUID | None
    """`None` for what has no category."""
    name: str
    color: str
    totals: MinorByCode
    """The category and those below it together."""
    own: MinorByCode
    """Without those below it."""
    children: tuple[CategoryTotals, ...] = ()
    """Those below it in which something was spent."""


class DayTotals(NamedTuple):
    """What a day comes to, in each currency, in the order of their codes."""

    day: date
    totals: MinorByCode


@dataclass(frozen=True, slots=True)
class MonthReport:
    """What a month comes to. Refunds count as negative, so a total may be below zero."""

    month: Month
    count: int
    """Number of expenses."""
    totals: tuple[Money, ...]
    categories: tuple[CategoryTotals, ...]
    """Upper level, in the workspace's own order, those in which nothing was spent left out, uncategorised last."""
    days: tuple[DayTotals, ...]
    """Days with expenses, in their order."""
    in_base: InBase


def moneys(amounts: MinorByCode) -> tuple[Money, ...]:
    """These amounts in the order of their currencies' codes."""
    return tuple([Money(amounts[code], CURRENCIES[code]) for code in sorted(amounts)])


def month_report(month: Month, sums: MonthSums, *, categories: Sequence[Category]) -> MonthReport:
    """The report on a month from its sums and the workspace's categories in their order, archived ones too."""
    return MonthReport(
        month=month,
        count=sum(each.number for each in sums.by_conversion),
        totals=moneys(_added((each.code, each.minor) for each in sums.by_conversion)),
        categories=_rolled_up(sums.by_category, categories),
        days=tuple([DayTotals(day, _ordered(sums.by_day[day])) for day in sorted(sums.by_day)]),
        in_base=in_base(sums.base, sums.by_conversion),
    )


def in_base(base: Currency, sums: Iterable[ConversionSum]) -> InBase:
    """The total in the base currency: what is in it, and what was converted. A missing rate is never taken for 1."""
    total = 0
    left = []
    for each in sums:
        if each.code == base.code:
            total += each.minor
        elif each.into == base.code:
            total += each.base_minor
        else:
            left.append(each)
    not_converted = moneys(_added((each.code, each.minor) for each in left))
    return InBase(Money(total, base), not_converted, sum(each.number for each in left))


def _rolled_up(sums: Mapping[UUID | None, MinorByCode], categories: Sequence[Category]) -> tuple[CategoryTotals, ...]:
    children: dict[UUID, list[CategoryTotals]] = defaultdict(list)
    for category in categories:
        if category.parent_id is not None and category.id in sums:
            spent = _ordered(sums[category.id])
            children[category.parent_id].append(
                CategoryTotals(category.id, category.name, category.color, spent, spent)
            )
    found = []
    for category in categories:
        if category.parent_id is None and (category.id in sums or category.id in children):
            below = tuple(children.get(category.id, ()))
            own = sums.get(category.id, {})
            spent = total = _ordered(own)
            if below:
                parts = [own, *(sums[child.id] for child in below)]
                total = _ordered(_added(chain.from_iterable(each.items() for each in parts)))
            found.append(CategoryTotals(category.id, category.name, category.color, total, spent, below))
    if None in sums:
        spent = _ordered(sums[None])
        found.append(CategoryTotals(None, UNCATEGORISED, DEFAULT_COLOR, spent, spent))
    return tuple(found)


def _added(amounts: Iterable[tuple[str, int]]) -> MinorByCode:
    totals: MinorByCode = {}
    for code, minor in amounts:
        totals[code] = totals.get(code, 0) + minor
    return totals


def _ordered(amounts: MinorByCode) -> MinorByCode:
    return {code: amounts[code] for code in sorted(amounts)}
