"""Amounts: to the last minor unit, or refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.money import (
    CURRENCIES,
    LARGEST_MINOR,
    Currency,
    InvalidAmount,
    Money,
    UnknownCurrency,
    WithdrawnCurrency,
    currency_in_use,
    currency_named,
    parse_amount,
)

EUR, JPY, KWD, CLF = (CURRENCIES[code] for code in ("EUR", "JPY", "KWD", "CLF"))

currencies = st.sampled_from(list(CURRENCIES.values()))
minors = st.integers(-LARGEST_MINOR, LARGEST_MINOR)


@given(minors, currencies)
def test_every_amount_survives_the_way_to_text_and_back(minor: int, currency: Currency) -> None:
    money = Money(minor, currency)
    assert parse_amount(money.decimal_text(), currency) == money


@given(minors, currencies)
def test_text_is_the_exact_decimal_with_the_digits_of_the_currency(minor: int, currency: Currency) -> None:
    text = Money(minor, currency).decimal_text()
    assert Decimal(text).scaleb(currency.exponent) == minor
    assert len(text.partition(".")[2]) == currency.exponent


@given(st.text(alphabet="0123456789.,-+eE_ ' \u0663\u2212\uff11NaInfity", max_size=24), currencies)
def test_what_is_accepted_means_what_decimal_says(text: str, currency: Currency) -> None:
    try:
        money = parse_amount(text, currency)
    except InvalidAmount:
        return
    assert Decimal(text).scaleb(currency.exponent) == money.minor
    assert set(text) <= set("-.0123456789")


@given(minors, currencies, st.text(alphabet="0123456789", min_size=1, max_size=6))
def test_too_many_digits_are_refused_naming_how_many_are_allowed(minor: int, currency: Currency, more: str) -> None:
    text = Money(minor, currency).decimal_text()
    with pytest.raises(InvalidAmount) as refusal:
        parse_amount((text if "." in text else text + ".") + more, currency)
    if len(text) + len(more) < 32:
        assert (str(currency.exponent) if currency.exponent else "no digits") in refusal.value.detail
        assert refusal.value.field == "amount.value"


NOT_PLAIN_DIGITS = (
    *("", " ", "1e5", "1E5", "NaN", "Infinity", "-Infinity", "1,000.00", "12,50", "1 000", "1_000", "+1", "--1", "-"),
    *(".5", "5.", ".", "1.2.3", "12.50\n", " 12.50", "0x10", "12.5\0", "9" * 100_000),
    *("\u0661\u0662", "\uff11", "\u22121", "\u00b2"),  # digits and a minus sign of other scripts
)


@pytest.mark.parametrize("text", NOT_PLAIN_DIGITS)
def test_anything_but_plain_digits_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_amount(text, EUR)


def test_the_largest_amount_is_the_last_one_accepted() -> None:
    assert parse_amount("10000000000000.00", EUR).minor == LARGEST_MINOR
    assert parse_amount("-10000000000000.00", EUR).minor == -LARGEST_MINOR
    assert parse_amount("1000000000000000", JPY).minor == LARGEST_MINOR
    for text, currency in [("10000000000000.01", EUR), ("-10000000000000.01", EUR), ("1000000000000001", JPY)]:
        with pytest.raises(InvalidAmount, match="largest amount"):
            parse_amount(text, currency)


def test_fewer_digits_than_the_currency_has_are_filled_up() -> None:
    assert parse_amount("12.5", EUR).minor == 1250
    assert parse_amount("12", KWD).minor == 12000
    assert parse_amount("0.0001", CLF).minor == 1
    assert parse_amount("007", JPY).minor == 7
    assert parse_amount("-0.00", EUR) == Money(0, EUR)
    assert Money(-5, EUR).decimal_text() == "-0.05"


@given(st.lists(minors, max_size=30), currencies)
def test_a_total_is_the_sum_of_its_minor_units(parts: list[int], currency: Currency) -> None:
    total = Money(0, currency)
    for part in parts:
        total += Money(part, currency)
    assert total.minor == sum(parts)
    assert -total == Money(-sum(parts), currency)


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="cannot add JPY to EUR"):
        Money(1, EUR) + Money(1, JPY)


def test_the_table_has_the_digits_that_iso_4217_says() -> None:
    digits = {currency.code: currency.exponent for currency in CURRENCIES.values() if currency.withdrawn_on is None}
    zero = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    three = "BHD IQD JOD KWD LYD OMR TND"
    assert {code for code, exponent in digits.items() if exponent == 0} == set(zero.split())
    assert {code for code, exponent in digits.items() if exponent == 3} == set(three.split())
    assert {code for code, exponent in digits.items() if exponent == 4} == {"CLF", "UYW"}
    assert set(digits.values()) == {0, 2, 3, 4}
    assert all(code.isascii() and code.isupper() and len(code) == 3 for code in CURRENCIES)


def test_a_withdrawn_currency_is_known_but_refused_for_something_new() -> None:
    assert currency_named("DEM").exponent == 2
    assert currency_in_use("BGN", on=date(2026, 1, 31)).code == "BGN"
    with pytest.raises(WithdrawnCurrency):
        currency_in_use("BGN", on=date(2026, 2, 1))


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "XAU", "EU\u0420", "E\0R", "A" * 100_000])
def test_an_unknown_code_is_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        currency_named(code)
