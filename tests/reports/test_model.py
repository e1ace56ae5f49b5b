"""Months and sums as pure values."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.ledger.categories import default_categories
from expenses.money import CURRENCIES, LARGEST_MINOR, Money
from expenses.reports.model import ConversionSum, InBase, InvalidMonth, Month, MonthSums, in_base, moneys, month_report

if TYPE_CHECKING:
    from collections.abc import Iterable

HOME = UUID(int=1)
CATEGORIES = list(default_categories(HOME))

AMOUNTS = st.builds(
    Money,
    st.integers(-LARGEST_MINOR, LARGEST_MINOR),
    st.sampled_from([CURRENCIES[code] for code in ("EUR", "JPY", "KWD")]),
)
rows = st.tuples(st.sampled_from([None, *[each.id for each in CATEGORIES]]), st.integers(1, 30), AMOUNTS)


@given(st.lists(rows, max_size=40))
def test_every_level_of_the_report_adds_up_to_the_same(spent: list[tuple[UUID | None, int, Money]]) -> None:
    sums = MonthSums(
        base=CURRENCIES["EUR"],
        by_conversion=[unconverted(amount) for _, _, amount in spent],
        by_category=grouped((category_id, amount) for category_id, _, amount in spent),
        by_day=grouped((date(2026, 11, day), amount) for _, day, amount in spent),
    )
    report = month_report(Month(2026, 11), sums, categories=CATEGORIES)
    expected = added([amount for _, _, amount in spent])
    assert added(report.totals) == expected
    days, categories = [each.totals for each in report.days], [each.totals for each in report.categories]
    assert together(days) == expected
    assert together(categories) == expected
    for category in report.categories:
        assert together([category.own, *[child.totals for child in category.children]]) == category.totals
    for codes in ([each.currency.code for each in report.totals], *map(list, days), *map(list, categories)):
        assert codes == sorted(set(codes))
    assert report.count == len(spent)


@given(st.lists(st.tuples(AMOUNTS, st.integers(-LARGEST_MINOR, LARGEST_MINOR) | st.none()), max_size=40))
def test_what_is_in_the_base_currency_and_what_is_not_is_all_there_is(spent: list[tuple[Money, int | None]]) -> None:
    euro = CURRENCIES["EUR"]
    converted = [
        ConversionSum(money.currency.code, "EUR", money.minor, worth, 1)
        for money, worth in spent
        if worth is not None and money.currency != euro
    ]
    rest = [money for money, worth in spent if worth is None or money.currency == euro]
    found = in_base(euro, [*converted, *(unconverted(money) for money in rest)])
    in_euro = [money.minor for money, _ in spent if money.currency == euro]
    assert found.total.minor == sum(in_euro) + sum(each.base_minor for each in converted)
    left = [money for money in rest if money.currency != euro]
    assert added(found.not_converted) == added(left)
    assert found.not_converted_count == len(left)


def test_what_was_converted_into_an_earlier_base_currency_is_not_converted_into_this_one() -> None:
    into_dollars = [ConversionSum("JPY", "USD", 1000, 700, 2), ConversionSum("EUR", "USD", 500, 600, 1)]
    found = in_base(CURRENCIES["EUR"], into_dollars)
    assert found == InBase(Money(500, CURRENCIES["EUR"]), (Money(1000, CURRENCIES["JPY"]),), 2)


def unconverted(amount: Money) -> ConversionSum:
    code = amount.currency.code
    return ConversionSum(code, code, amount.minor, amount.minor, 1)


def grouped(spent: Iterable[tuple[Any, Money]]) -> dict[Any, dict[str, int]]:
    found: dict[Any, list[Money]] = defaultdict(list)
    for key, amount in spent:
        found[key].append(amount)
    return {key: added(amounts) for key, amounts in found.items()}


def together(totals: Iterable[dict[str, int]]) -> dict[str, int]:
    return added([money for each in totals for money in moneys(each)])


def added(amounts: tuple[Money, ...] | list[Money]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for amount in amounts:
        totals[amount.currency.code] = totals.get(amount.currency.code, 0) + amount.minor
    return totals


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_a_month_has_the_days_that_the_calendar_says(day: date) -> None:
    month = Month.of(day)
    assert month.first_day <= day <= month.last_day
    assert Month.of(month.first_day) == Month.of(month.last_day) == Month.parse(str(month)) == month
    assert (month.last_day + timedelta(days=1)).day == 1


@given(st.integers(-1200, 1200))
def test_shifting_a_month_there_and_back_changes_nothing(by: int) -> None:
    month = Month(2050, 6)
    assert month.shifted(by).shifted(-by) == month


def test_there_is_no_month_before_the_first_and_after_the_last() -> None:
    assert Month(2026, 12).shifted(1) == Month(2027, 1)
    for month, by in [(Month(1900, 1), -1), (Month(2199, 12), 1)]:
        with pytest.raises(InvalidMonth):
            month.shifted(by)


def test_two_workspaces_never_share_a_category_id() -> None:
    other = {each.id for each in default_categories(uuid5(HOME, "other"))}
    assert len({each.id for each in CATEGORIES}) == len(CATEGORIES)
    assert not other & {each.id for each in CATEGORIES}
