"""Amounts and dates as people read them. Pure text: what an amount is worth is known elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

MINUS = "\N{MINUS SIGN}"
"""As wide as a digit in tabular figures, and read as "minus"; the hyphen is neither."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def grouped(decimal_text: str) -> str:
    """`-1234567.50` as `1,234,567.50` after a true minus sign; the digits after the point stay as they are."""
    sign, digits = (MINUS, decimal_text[1:]) if decimal_text.startswith("-") else ("", decimal_text)
    whole, point, fraction = digits.partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if len(whole) > 3 else f"{sign}{digits}"


def day_name(day: date, *, today: date) -> str:
    """`Today`, `Yesterday`, or `Sunday, 22 November`. Not from the locale: the process's may be anything."""
    if (age := (today - day).days) in (0, 1):
        return ("Today", "Yesterday")[age]
    return f"{_WEEKDAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]}"


def short_day(day: date) -> str:
    """`2 Nov 2026`, for lists that are not grouped by day."""
    return f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}"


def month_name(year: int, month: int) -> str:
    """`November 2026`."""
    return f"{_MONTHS[month - 1]} {year}"
