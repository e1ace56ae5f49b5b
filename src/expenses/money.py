"""Money: an integer of minor units and a currency, and the only ways from text to it and back.

Never a float, never a rounded digit: text with more digits than the currency has is refused. Not here: exchange
rates, and how a page shows an amount to people of some language.

    Invalid
    ├── InvalidAmount        not a number as we write them, too many digits, too large
    ├── UnknownCurrency      not in our table
    └── WithdrawnCurrency    was in use once; refused for new amounts only
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from expenses.currencies import ACTIVE, WITHDRAWN
from expenses.errors import Invalid

LARGEST_MINOR: Final = 10**15
"""Bound on one amount, in minor units: ten trillion euros. 9,000 such amounts still add up within a bigint."""

LONGEST_TEXT: Final = 32
"""Characters that an amount's text may have; the largest amount needs 17 with sign and point."""

_AMOUNT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


class InvalidAmount(Invalid):
    """An amount is digits with at most one decimal point, such as 12.50 or -3."""

    code = "invalid_amount"


class UnknownCurrency(Invalid):
    """There is no currency with this code; write three capital letters of ISO 4217, such as EUR."""

    code = "unknown_currency"


class WithdrawnCurrency(Invalid):
    """This currency is no longer in use, so nothing new can be recorded in it."""

    code = "withdrawn_currency"


@dataclass(frozen=True, slots=True)
class Currency:
    """One currency of the frozen table; get it from `currency_named`."""

    code: str
    exponent: int
    """Digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD."""
    name: str
    withdrawn_on: date | None = None
    """First day on which it is no longer tender."""

    def is_withdrawn(self, on: date) -> bool:
        """Whether nothing new may be recorded in it on that day."""
        return self.withdrawn_on is not None and on >= self.withdrawn_on


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency. Not bounded, since a total may be larger than any amount in it."""

    minor: int
    currency: Currency

    def decimal_text(self) -> str:
        """The amount in major units with exactly the currency's digits: `12.50`, `-3`, `0.001`."""
        return decimal_text(self.minor, self.currency)

    def __add__(self, other: Money) -> Money:
        """Raises `ValueError` for another currency: adding those needs a rate, and that is somebody's decision."""
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency.code} to {self.currency.code}")
        return Money(self.minor + other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)


def decimal_text(minor: int, currency: Currency) -> str:
    """As `Money.decimal_text`, for those who have hundreds of amounts and no other need of `Money`."""
    digits = currency.exponent
    text = str(minor)
    if not digits:
        return text
    if len(text) <= digits + 1:  # most are longer, and padding takes a third of the time
        text = text.zfill(digits + 1 + (minor < 0))
    return f"{text[:-digits]}.{text[-digits:]}"


def parse_amount(text: str, currency: Currency, *, field: str = "amount.value") -> Money:
    """The amount that the text says, to the last digit.

    Plain ASCII digits, at most one point with a digit on either side, a minus sign for refunds. Refused, so that
    nothing is guessed: thousands separators, a decimal comma, exponents, a plus sign, blanks, other scripts' digits.
    Fewer digits than the currency has are fine: `12.5` is 12.50 EUR.

    Args:
        text: What a client or a person wrote.
        currency: Decides how many digits may follow the point.
        field: Where the text came from, for the answer.

    Raises:
        InvalidAmount: With a detail that names the number of digits allowed, or the largest amount.
    """
    match = _AMOUNT.fullmatch(text) if len(text) <= LONGEST_TEXT else None
    if match is None:
        raise InvalidAmount(field=field)
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > currency.exponent:
        raise InvalidAmount(_too_many_digits(currency), field=field)
    minor = int(whole + fraction.ljust(currency.exponent, "0"))
    if minor > LARGEST_MINOR:
        raise InvalidAmount(f"The largest amount is {Money(LARGEST_MINOR, currency).decimal_text()}.", field=field)
    return Money(-minor if sign else minor, currency)


def currency_named(code: str, *, field: str = "amount.currency") -> Currency:
    """The currency with this code, in use or withdrawn. Raises `UnknownCurrency`; `eur` is unknown, `EUR` is not."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise UnknownCurrency(field=field) from None


def currency_in_use(code: str, *, on: date, field: str = "amount.currency") -> Currency:
    """The currency with this code, for something new. Raises `UnknownCurrency` or `WithdrawnCurrency`."""
    currency = currency_named(code, field=field)
    if currency.is_withdrawn(on):
        raise WithdrawnCurrency(field=field)
    return currency


def _too_many_digits(currency: Currency) -> str:
    allowed = {0: "no digits", 1: "1 digit"}.get(currency.exponent, f"{currency.exponent} digits")
    return f"{currency.code} has {allowed} after the decimal point."


def _read_tables() -> dict[str, Currency]:
    rows = [Currency(code, int(exponent), name) for code, exponent, name in _fields(ACTIVE, 3)]
    rows += [
        Currency(code, int(exponent), name, date.fromisoformat(day))
        for code, exponent, day, name in _fields(WITHDRAWN, 4)
    ]
    return {row.code: row for row in sorted(rows, key=lambda row: row.code)}


def _fields(table: str, count: int) -> list[list[str]]:
    return [line.split(maxsplit=count - 1) for line in table.strip().splitlines()]


CURRENCIES: Final = _read_tables()
"""Every currency we know by its code, in the order of codes, the withdrawn ones too."""
