"""The month by category as its page shows it: a table for each currency, arranged for the template. Pure.

Nothing is added up here, as in `reports.view`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from expenses.money import CURRENCIES, decimal_text
from expenses.web import charts, figures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from expenses.money import Currency, Money
    from expenses.reports.model import CategoryTotals, MonthReport


class Slice(NamedTuple):
    """One line of the table of categories."""

    name: str
    color: str
    figures: str
    """Its amount without the currency."""
    share: float
    share_text: str
    href: str
    is_chosen: bool
    is_below: bool


@dataclass(frozen=True, slots=True)
class CategoryGroup:
    """The table of categories for one currency, largest first."""

    currency: Currency
    total: Money
    slices: list[Slice]
    segments: list[charts.Segment]


class _Part(NamedTuple):
    """What a category comes to in one currency, and those below it."""

    category: CategoryTotals
    minor: int
    figures: str
    below: list[_Part]


def category_groups(report: MonthReport, *, base_currency: str, href: str, chosen: str) -> list[CategoryGroup]:
    """A table for each currency, the workspace's first. `chosen` is a category's id, or `none`; `href` the month's."""
    parts = _parts_by_currency(report.categories)
    ordered = sorted(report.totals, key=lambda each: (each.currency.code != base_currency, each.currency.code))
    return [_group(total, parts[total.currency.code], href, chosen) for total in ordered]


def _parts_by_currency(categories: Iterable[CategoryTotals]) -> dict[str, list[_Part]]:
    """In one pass: a full month has hundreds of amounts, and most categories are in every currency."""
    found: dict[str, list[_Part]] = defaultdict(list)
    for each in categories:
        below = _parts_by_currency(each.children) if each.children else {}
        for code, minor in each.totals.items():
            shown = figures.grouped(decimal_text(minor, CURRENCIES[code]))
            found[code].append(_Part(each, minor, shown, below.get(code, [])))
    for parts in found.values():
        parts.sort(key=lambda part: -part.minor)
    return found


def _group(total: Money, parts: list[_Part], href: str, chosen: str) -> CategoryGroup:
    spent = sum(part.minor for part in parts if part.minor > 0)
    slices = []
    for part in parts:
        slices.append(_slice(part, spent, href, chosen, is_below=False))
        if [each.minor for each in part.below] == [part.minor]:
            continue  # all of it stands below, in one place: the same figure twice says nothing
        slices += [_slice(each, spent, href, chosen, is_below=True) for each in part.below]
    segments = charts.stacked([(part.category.color, part.minor) for part in parts]) if len(parts) > 1 else []
    return CategoryGroup(total.currency, total, slices, segments)


def _slice(part: _Part, spent: int, href: str, chosen: str, *, is_below: bool) -> Slice:
    category, minor, shown, _ = part
    share = charts.share(minor, spent)
    share_text = "" if minor <= 0 else "<1 %" if share < 1 else f"{share:.0f} %"
    key = str(category.id) if category.id else "none"
    leads_to = f"{href}?category={key}#list-title"
    return Slice(category.name, category.color, shown, share, share_text, leads_to, key == chosen, is_below)
