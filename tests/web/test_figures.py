"""Amounts and dates as people read them."""

from __future__ import annotations

from datetime import date

import pytest

from expenses.web.figures import day_name, grouped, month_name, short_day


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("0", "0"),
        ("0.00", "0.00"),
        ("999.99", "999.99"),
        ("1234567.50", "1,234,567.50"),
        ("-1234.500", "\N{MINUS SIGN}1,234.500"),
        ("-0.05", "\N{MINUS SIGN}0.05"),
        ("10000000000000", "10,000,000,000,000"),
    ],
)
def test_amounts_are_grouped_and_keep_their_digits(plain: str, shown: str) -> None:
    assert grouped(plain) == shown


def test_days_have_names_and_the_last_two_have_short_ones() -> None:
    today = date(2026, 3, 1)
    assert day_name(today, today=today) == "Today"
    assert day_name(date(2026, 2, 28), today=today) == "Yesterday"
    assert day_name(date(2026, 2, 27), today=today) == "Friday, 27 February"
    assert day_name(date(2026, 3, 2), today=today) == "Monday, 2 March"
    assert month_name(2026, 12) == "December 2026"
    assert short_day(date(2026, 9, 2)) == "2 Sep 2026"
