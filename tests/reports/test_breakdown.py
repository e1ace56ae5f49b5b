"""The tables of categories on a month's page, as pure values."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from expenses.ledger.categories import default_categories
from expenses.money import CURRENCIES
from expenses.reports.breakdown import category_groups
from expenses.reports.model import ConversionSum, Month, MonthSums, month_report

if TYPE_CHECKING:
    from expenses.reports.breakdown import Slice

HOME = UUID(int=1)
CATEGORIES = list(default_categories(HOME))
ID = {each.name: each.id for each in CATEGORIES}


def slices(spent: dict[str | None, dict[str, int]], *, chosen: str = "") -> dict[str, list[Slice]]:
    """The lines of the table for each currency, in the order of the tables."""
    totals: dict[str, int] = {}
    for amounts in spent.values():
        for code, minor in amounts.items():
            totals[code] = totals.get(code, 0) + minor
    sums = MonthSums(
        base=CURRENCIES["EUR"],
        by_conversion=[ConversionSum(code, code, minor, minor, 1) for code, minor in totals.items()],
        by_category={ID[name] if name else None: amounts for name, amounts in spent.items()},
        by_day={},
    )
    report = month_report(Month(2026, 11), sums, categories=CATEGORIES)
    groups = category_groups(report, base_currency="EUR", href="/month", chosen=chosen)
    return {group.currency.code: group.slices for group in groups}


def told(lines: list[Slice]) -> list[tuple[str, str, str, bool]]:
    return [(each.name, each.figures, each.share_text, each.is_below) for each in lines]


def test_each_currency_has_a_table_of_what_was_spent_in_it_and_our_own_comes_first() -> None:
    found = slices({"Groceries": {"CHF": 100_000, "EUR": 300_000}, None: {"EUR": 100_000, "JPY": 1_000_000}})
    assert list(found) == ["EUR", "CHF", "JPY"]
    assert told(found["EUR"]) == [
        ("Groceries", "3,000.00", "75 %", False),
        ("Uncategorised", "1,000.00", "25 %", False),
    ]
    assert told(found["CHF"]) == [("Groceries", "1,000.00", "100 %", False)]
    assert told(found["JPY"]) == [("Uncategorised", "1,000,000", "100 %", False)]


def test_what_is_below_a_category_stands_beneath_it_the_largest_first() -> None:
    found = slices({"Home": {"EUR": 100}, "Repairs": {"EUR": 200}, "Rent": {"EUR": 600}, "Clothing": {"EUR": 950}})
    assert told(found["EUR"]) == [
        ("Clothing", "9.50", "51 %", False),
        ("Home", "9.00", "49 %", False),
        ("Rent", "6.00", "32 %", True),
        ("Repairs", "2.00", "11 %", True),
    ]


def test_one_that_is_all_there_is_of_its_category_is_not_told_twice_in_that_currency() -> None:
    found = slices({"Rent": {"EUR": 600, "USD": 600}, "Repairs": {"USD": 100}})
    assert told(found["EUR"]) == [("Home", "6.00", "100 %", False)]
    assert [each.name for each in found["USD"]] == ["Home", "Rent", "Repairs"]


def test_refunds_have_no_share_and_little_has_less_than_a_percent() -> None:
    found = slices({"Groceries": {"EUR": 99_999}, "Clothing": {"EUR": 1}, "Fuel": {"EUR": -500}})
    assert told(found["EUR"]) == [
        ("Groceries", "999.99", "100 %", False),
        ("Clothing", "0.01", "<1 %", False),
        ("Transport", "\N{MINUS SIGN}5.00", "", False),
    ]


def test_a_line_leads_to_its_category_and_knows_if_that_was_chosen() -> None:
    found = slices({"Clothing": {"EUR": 2}, None: {"EUR": 1}}, chosen="none")["EUR"]
    assert [each.href for each in found] == [
        f"/month?category={ID['Clothing']}#list-title",
        "/month?category=none#list-title",
    ]
    assert [each.is_chosen for each in found] == [False, True]
