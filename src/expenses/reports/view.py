"""The month as its page shows it: what services answer, arranged for the template. Pure.

Nothing is added up here: totals come from the report, so the page and the API cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from expenses.ledger.model import ExpenseFilter
from expenses.money import Money, currency_named
from expenses.reports.model import UNCATEGORISED, InvalidMonth, Month, moneys
from expenses.web import charts, figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from expenses.cursor import Page
    from expenses.ledger.categories import Category
    from expenses.ledger.entries import Entry
    from expenses.reports.model import InBase, MonthReport

MOST_SUGGESTIONS = 50
"""Merchants that the quick add suggests; more would weigh on the page more than they help."""


@dataclass(frozen=True, slots=True)
class Link:
    """Another month, or nothing when there is none."""

    href: str
    title: str


@dataclass(frozen=True, slots=True)
class MonthHead:
    """Which month it is, and the way to its neighbours."""

    key: str
    title: str
    href: str
    days: int
    is_current: bool
    today_day: int | None
    before: Link | None
    after: Link | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the month comes to: first in the workspace's currency, then in all others."""

    total: Money
    others: tuple[Money, ...]
    in_base: InBase
    is_converted: bool
    """Whether any of the others are part of the total in `in_base`."""
    count: int
    counts: str


class Row(NamedTuple):
    """One expense in the list."""

    expense: Entry
    id: str
    merchant: str
    figures: str
    """Its amount without the currency."""
    code: str
    """Of the currency."""
    is_refund: bool
    category: str | None
    """Those of its lines, if it has any."""
    color: str
    letter: str
    is_fresh: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the list. Its totals are missing where the list shows only some of its expenses."""

    day: date
    totals: tuple[Money, ...]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the month's address asks for; every part may be empty."""

    q: str
    category: str
    """Id of a category, or `none` for what has none."""
    after: str
    """Cursor: the list goes on from there."""
    day: str
    """Last day of the page before, as ISO text."""

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for less than the whole month."""
        return bool(self.q or self.category)

    def filters(self, month: Month) -> ExpenseFilter:
        """The same for the service. Raises `Invalid` or `ValueError` if it is no question at all."""
        return ExpenseFilter(
            from_day=month.first_day,
            to_day=month.last_day,
            category_id=UUID(self.category) if self.category not in {"", "none"} else None,
            is_uncategorised=self.category == "none",
            q=self.q or None,
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """The part of the month's expenses that was asked for."""

    title: str
    asked: Asked
    days: list[Day]
    next_href: str | None
    merchants: list[str]
    """Suggestions for the quick add."""


def month_head(month: Month, *, workspace_id: UUID, today: date) -> MonthHead:
    """Title and neighbours of a month."""
    is_current = month == Month.of(today)
    return MonthHead(
        key=str(month),
        title=_title(month),
        href=_href(workspace_id, month),
        days=month.last_day.day,
        is_current=is_current,
        today_day=today.day if is_current else None,
        before=_neighbour(month, -1, workspace_id),
        after=_neighbour(month, 1, workspace_id),
    )


def summary(report: MonthReport, *, base_currency: str) -> Summary:
    """The month's totals; in the workspace's own currency even if that is zero."""
    base = currency_named(base_currency)
    total = next((each for each in report.totals if each.currency == base), Money(0, base))
    others = tuple(each for each in report.totals if each.currency != base)
    counts = f"{_counted(report.count, 'expense')} on {_counted(len(report.days), 'day')}"
    is_converted = report.in_base.not_converted != others
    return Summary(total, others, report.in_base, is_converted, report.count, counts if report.count else "No expenses")


def columns(report: MonthReport, *, base_currency: str) -> list[charts.Column]:
    """The days' spending in the workspace's own currency as columns."""
    amounts = {each.day.day: each.totals[base_currency] for each in report.days if base_currency in each.totals}
    return charts.columns(amounts, days=report.month.last_day.day)


def listing(
    asked: Asked,
    found: Page[Entry],
    *,
    report: MonthReport,
    head: MonthHead,
    categories: Sequence[Category],
    fresh: UUID | None,
) -> Listing:
    """The expenses grouped by day, in their order. `fresh` is the one that was just added or changed."""
    by_id: dict[UUID | None, Category] = {each.id: each for each in categories}
    totals = {} if asked.is_filtered else {each.day: each.totals for each in report.days}
    days = [
        Day(
            day,
            () if day.isoformat() == asked.day else moneys(totals.get(day, {})),
            [_row(expense, by_id, fresh) for expense in group],
        )
        for day, group in groupby(found.items, key=lambda each: each.spent_on)
    ]
    return Listing(
        title=_listing_title(asked, {str(each.id): each.name for each in categories}),
        asked=asked,
        days=days,
        next_href=_next_href(head, asked, found.next, days[-1].day) if found.next and days else None,
        merchants=list(dict.fromkeys(each.merchant for each in found.items))[:MOST_SUGGESTIONS],
    )


def _listing_title(asked: Asked, names: Mapping[str, str]) -> str:
    chosen = UNCATEGORISED if asked.category == "none" else names.get(asked.category, "Expenses")
    return f"{chosen} with “{asked.q}”" if asked.q else chosen


def _next_href(head: MonthHead, asked: Asked, cursor: str, last_day: date) -> str:
    kept = {name: value for name, value in (("q", asked.q), ("category", asked.category)) if value}
    return f"{head.href}?{urlencode(kept | {'after': cursor, 'day': last_day.isoformat()})}#list-title"


def _row(expense: Entry, categories: Mapping[UUID | None, Category], fresh: UUID | None) -> Row:
    found = [category for each in dict.fromkeys(expense.category_ids) if (category := categories.get(each))]
    return Row(
        expense=expense,
        id=str(expense.id),
        merchant=expense.merchant,
        figures=figures.grouped(expense.amount.decimal_text()),
        code=expense.amount.currency.code,
        is_refund=expense.amount.minor < 0,
        category=", ".join([category.name for category in found]) or None,
        color=found[0].color if found else charts.NO_CATEGORY,
        letter=_letter(expense.merchant),
        is_fresh=expense.id == fresh,
    )


def _letter(merchant: str) -> str:
    if merchant[0].isalnum():  # as of most
        return merchant[0].upper()[:1]
    return next((character for character in merchant if character.isalnum()), "·").upper()[:1]


def _neighbour(month: Month, by: int, workspace_id: UUID) -> Link | None:
    try:
        other = month.shifted(by)
    except InvalidMonth:
        return None
    return Link(_href(workspace_id, other), _title(other))


def _href(workspace_id: UUID, month: Month) -> str:
    return f"/w/{workspace_id}/months/{month}"


def _title(month: Month) -> str:
    return figures.month_name(month.year, month.month)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
