"""What a month adds up to. Pure: no I/O, no clock.

Amounts of different currencies are never added: wherever there is a total, there is one for each currency.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from expenses.errors import Invalid
from expenses.ledger.categories import DEFAULT_COLOR
from expenses.ledger.model import EARLIEST_DAY, LATEST_DAY
from expenses.money import CURRENCIES, Money

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from expenses.ledger.categories import Category
    from expenses.money import Currency

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


@dataclass(frozen=True, slots=True)
class CategorySum:
    """What was spent in one category (`None`: in none) and one currency. Expenses with lines count in several."""

    category_id: UUID | None
    amount: Money
    count: int
    """Of expenses without lines, and of lines."""


@dataclass(frozen=True, slots=True)
class DaySum:
    """What was spent on one day in one currency, or a part of that."""

    day: date
    amount: Money
    count: int


@dataclass(frozen=True, slots=True)
class ConvertedSum:
    """What the converted expenses of one currency come to, in it and in the base currency."""

    amount: Money
    base: Money
    count: int


@dataclass(frozen=True, slots=True)
class InBase:
    """What a month comes to in the base currency, and what is not in that because nobody knows a rate."""

    total: Money
    not_converted: tuple[Money, ...]
    """One amount for each currency, by code."""
    not_converted_count: int
    """How many expenses these are."""


@dataclass(frozen=True, slots=True)
class CategoryTotals:
    """What a category comes to, with one total for each currency, in the order of their codes."""

    id: UUID | None
    """`None` for what has no category."""
    name: str
    color: str
    totals: tuple[Money, ...]
    """The category and those below it together."""
    own: tuple[Money, ...]
    """Without those below it."""
    children: tuple[CategoryTotals, ...] = ()
    """Those below it in which something was spent."""


@dataclass(frozen=True, slots=True)
class DayTotals:
    """What a day comes to."""

    day: date
    totals: tuple[Money, ...]


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


def month_report(
    month: Month,
    *,
    by_category: Sequence[CategorySum],
    by_day: Iterable[DaySum],
    categories: Sequence[Category],
    in_base: InBase,
) -> MonthReport:
    """The report on a month from its sums and the workspace's categories in their order, archived ones too."""
    days: dict[date, list[Money]] = defaultdict(list)
    count = 0
    for each in by_day:
        count += each.count
        days[each.day].append(each.amount)
    return MonthReport(
        month=month,
        count=count,
        totals=_added([each.amount for each in by_category]),
        categories=_rolled_up(by_category, categories),
        days=tuple(DayTotals(day, _added(days[day])) for day in sorted(days)),
        in_base=in_base,
    )


def sums_in_base(base: Currency, *, by_day: Iterable[DaySum], converted: Sequence[ConvertedSum]) -> InBase:
    """The total in the base currency: what is in it, and what was converted. A missing rate is never taken for 1."""
    total = sum(each.base.minor for each in converted)
    rest: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for spent in by_day:
        code = spent.amount.currency.code
        if code == base.code:
            total += spent.amount.minor
        else:
            its = rest[code]
            its[0] += spent.amount.minor
            its[1] += spent.count
    for each in converted:
        its = rest[each.amount.currency.code]
        its[0] -= each.amount.minor
        its[1] -= each.count
    left = [(Money(minor, CURRENCIES[code]), count) for code, (minor, count) in rest.items() if count]
    return InBase(Money(total, base), _added([money for money, _ in left]), sum(count for _, count in left))


def _rolled_up(sums: Sequence[CategorySum], categories: Sequence[Category]) -> tuple[CategoryTotals, ...]:
    own: dict[UUID | None, list[Money]] = defaultdict(list)
    for each in sums:
        own[each.category_id].append(each.amount)
    children: dict[UUID, list[CategoryTotals]] = defaultdict(list)
    for category in categories:
        if category.parent_id is not None and category.id in own:
            spent = _added(own[category.id])
            children[category.parent_id].append(
                CategoryTotals(category.id, category.name, category.color, spent, spent)
            )
    found = []
    for category in categories:
        if category.parent_id is None and (category.id in own or category.id in children):
            below = tuple(children.get(category.id, ()))
            spent = _added(own.get(category.id, ()))
            total = _added([*spent, *(money for child in below for money in child.totals)]) if below else spent
            found.append(CategoryTotals(category.id, category.name, category.color, total, spent, below))
    if None in own:
        spent = _added(own[None])
        found.append(CategoryTotals(None, UNCATEGORISED, DEFAULT_COLOR, spent, spent))
    return tuple(found)


def _added(amounts: Sequence[Money]) -> tuple[Money, ...]:
    codes = [amount.currency.code for amount in amounts]
    if codes == sorted(set(codes)):  # as the database gives them: one of each, in order
        return tuple(amounts)
    totals: dict[str, int] = {}  # by code, whose hash is known already: a full month has hundreds of amounts
    for code, amount in zip(codes, amounts, strict=True):
        totals[code] = totals.get(code, 0) + amount.minor
    return tuple([Money(totals[code], CURRENCIES[code]) for code in sorted(totals)])
