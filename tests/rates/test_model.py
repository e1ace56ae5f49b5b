"""Conversions are exact, and never drift: what is shown adds up to what is said."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from expenses.money import LARGEST_MINOR, Money, currency_named
from expenses.rates.model import (
    InvalidPair,
    InvalidRate,
    InvalidSource,
    Quotation,
    Rate,
    convert,
    parse_rate,
    quotation,
    rate_text,
    rounded_product,
)

if TYPE_CHECKING:
    from expenses.money import Currency

WORKSPACE = UUID(int=1)
DAY = date(2026, 11, 20)

CURRENCIES = st.sampled_from([currency_named(code) for code in ("JPY", "EUR", "USD", "KWD", "CLF")])
MINOR = st.integers(-LARGEST_MINOR, LARGEST_MINOR)
RATES = st.decimals("0.000000000001", "999999999999", places=12) | st.sampled_from(
    [Decimal("0.5"), Decimal("0.01"), Decimal("0.0061"), Decimal(1), Decimal(1000)]
)


def rate(base: str, quote: str, text: str, *, on: date = DAY, source: str = "ECB") -> Rate:
    return Rate(WORKSPACE, base, quote, on, Decimal(text), source)


def converted(minor: int, of: Currency, into: Currency, factor: Decimal) -> int:
    """As `convert`, without its bound."""
    return rounded_product(minor, factor, shift=into.exponent - of.exponent)


@given(MINOR, CURRENCIES, CURRENCIES, RATES)
def test_a_conversion_is_the_exact_product_rounded_half_to_even(
    minor: int, of: Currency, into: Currency, factor: Decimal
) -> None:
    exact = Fraction(minor) * Fraction(factor) * Fraction(10) ** (into.exponent - of.exponent)
    assert converted(minor, of, into, factor) == round(exact)  # Python rounds fractions half to even


@given(MINOR, CURRENCIES, CURRENCIES, RATES)
def test_a_refund_is_worth_what_the_expense_was(minor: int, of: Currency, into: Currency, factor: Decimal) -> None:
    assert converted(-minor, of, into, factor) == -converted(minor, of, into, factor)


@given(st.lists(MINOR, max_size=20), CURRENCIES, CURRENCIES, RATES)
def test_a_total_is_off_by_at_most_half_a_minor_unit_for_each_expense(
    amounts: list[int], of: Currency, into: Currency, factor: Decimal
) -> None:
    exact = sum(amounts) * Fraction(factor) * Fraction(10) ** (into.exponent - of.exponent)
    total = sum(converted(minor, of, into, factor) for minor in amounts)
    assert abs(total - exact) <= Fraction(len(amounts), 2)


@given(MINOR, RATES)
def test_a_rate_that_was_divided_is_right_to_the_minor_unit_at_the_largest_amount(minor: int, factor: Decimal) -> None:
    quoted = quotation([rate("EUR", "USD", str(factor))], of="USD", into="EUR", on=DAY)
    assert quoted
    exact = Fraction(minor) / Fraction(factor)
    assume(abs(exact) <= LARGEST_MINOR)
    assert abs(rounded_product(minor, quoted.rate, shift=0) - exact) <= Fraction(1, 2) + Fraction(1, 1000)


@given(RATES)
def test_a_rate_is_read_as_it_was_written(factor: Decimal) -> None:
    assert parse_rate(f"{factor:f}") == factor
    assert Decimal(rate_text(factor)) == factor


@pytest.mark.parametrize(
    ("minor", "text", "worth"), [(1, "0.5", 0), (3, "0.5", 2), (5, "0.5", 2), (-1, "0.5", 0), (-3, "0.5", -2)]
)
def test_halves_go_to_the_even_neighbour(minor: int, text: str, worth: int) -> None:
    assert rounded_product(minor, Decimal(text), shift=0) == worth


@pytest.mark.parametrize(
    ("code", "minor", "into", "text", "worth"),
    [("JPY", 1000, "EUR", "0.0061", "6.10"), ("EUR", 1050, "JPY", "171.85", "1804"), ("KWD", 1, "EUR", "2.9", "0.00")],
)
def test_currencies_keep_their_own_digits(code: str, minor: int, into: str, text: str, worth: str) -> None:
    found = convert(Money(minor, currency_named(code)), currency_named(into), Quotation(Decimal(text), DAY, "x"))
    assert found
    assert found.amount.decimal_text() == worth


def test_what_is_beyond_all_bounds_is_not_converted() -> None:
    largest = Money(LARGEST_MINOR, currency_named("KWD"))
    assert convert(largest, currency_named("EUR"), Quotation(Decimal(10**9), DAY, "x")) is None


def test_a_rate_counts_for_a_week_and_never_backwards() -> None:
    rates = [rate("USD", "EUR", "0.9")]
    days = [DAY + timedelta(days=number) for number in (-1, 0, 7, 8)]
    assert [bool(quotation(rates, of="USD", into="EUR", on=day)) for day in days] == [False, True, True, False]


def test_the_latest_day_counts_even_if_it_has_to_be_computed() -> None:
    old, new = rate("USD", "EUR", "0.5", on=DAY - timedelta(days=1)), rate("EUR", "USD", "1.25")
    assert quotation([old, new], of="USD", into="EUR", on=DAY) == Quotation(Decimal("0.8"), DAY, "ECB")


def test_on_one_day_the_direct_rate_counts_before_the_inverse_and_that_before_the_euro() -> None:
    cross = [rate("EUR", "USD", "1.2"), rate("EUR", "CHF", "0.9", source="BNS")]
    inverse, direct = rate("CHF", "USD", "1.6"), rate("USD", "CHF", "0.7")
    asked = {"of": "USD", "into": "CHF", "on": DAY}
    assert quotation([*cross, inverse, direct], **asked) == Quotation(Decimal("0.7"), DAY, "ECB")  # type: ignore[arg-type]  # a mapping of two types
    assert quotation([*cross, inverse], **asked) == Quotation(Decimal("0.625"), DAY, "ECB")  # type: ignore[arg-type]  # same
    assert quotation(cross, **asked) == Quotation(Decimal("0.75"), DAY, "BNS, ECB")  # type: ignore[arg-type]  # same


def test_two_halves_of_different_days_make_no_rate() -> None:
    rates = [rate("EUR", "USD", "1.2"), rate("EUR", "CHF", "0.9", on=DAY - timedelta(days=1))]
    assert quotation(rates, of="USD", into="CHF", on=DAY) is None


@pytest.mark.parametrize("text", ["", "0", "0.000", "-1", "+1", "1,5", "1e3", "1.", ".5", "\u0661", "1.0000000000001"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidRate):
        parse_rate(text)


def test_a_rate_of_a_currency_in_itself_is_refused() -> None:
    with pytest.raises(InvalidPair):
        rate("EUR", "EUR", "1")


@pytest.mark.parametrize("source", ["", " ", "x" * 101, "a\0b"])
def test_a_source_that_says_nothing_is_refused(source: str) -> None:
    with pytest.raises(InvalidSource):
        rate("EUR", "USD", "1", source=source)
