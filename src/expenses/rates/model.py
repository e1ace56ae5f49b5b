"""Exchange rates and conversion, exact to the last minor unit. Pure: no I/O, no clock. The rules are in docs/rates.md.

Invalid
├── InvalidRate          not a number as we write them, zero, or too many digits
├── InvalidPair          a currency against itself
└── InvalidSource        blank or too long
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID, uuid5

from expenses.errors import Invalid
from expenses.money import Currency, Money

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOK_BACK: Final = timedelta(days=7)
"""How old a rate may be: banks publish none on weekends and holidays, and Christmas makes four days of them."""

CROSS: Final = "EUR"
"""The currency by way of which two others are compared: the one the ECB quotes all others against."""

DERIVED_DIGITS: Final = 18
"""Significant digits of a rate that is computed from others. A quotient seldom ends; this many make an error below a
thousandth of a minor unit at the largest amount, 10^15."""

LARGEST_CONVERTED: Final = 10**18
"""Bound on a converted amount, in minor units, so that it fits a bigint. What is larger stays unconverted."""

LONGEST_SOURCE: Final = 100
"""Characters."""

BY_HAND: Final = "by hand"
"""The source of a rate that somebody entered."""

_RATE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")


class InvalidRate(Invalid):
    """A rate is a number above zero, with at most 12 digits before and 12 after the decimal point, such as 1.0843."""

    code = "invalid_rate"


class InvalidPair(Invalid):
    """A rate is between two different currencies."""

    code = "invalid_pair"


class InvalidSource(Invalid):
    """Say where the rate is from in at most 100 characters that are not blank."""

    code = "invalid_source"


@dataclass(frozen=True, slots=True)
class Rate:
    """On a day, one unit of `base` was worth `rate` units of `quote`."""

    entity: ClassVar = "rate"

    workspace_id: UUID
    base: str
    quote: str
    on: date
    rate: Decimal
    source: str

    def __post_init__(self) -> None:
        if self.base == self.quote:
            raise InvalidPair(field="quote")
        if not self.source.strip() or len(self.source) > LONGEST_SOURCE or not self.source.isprintable():
            raise InvalidSource(field="source")

    @property
    def id(self) -> UUID:
        """Follows from what it is a rate of, so that a rate that is deleted and entered again stays one thing."""
        return uuid5(self.workspace_id, f"rate {self.base} {self.quote} {self.on}")

    def snapshot(self) -> dict[str, Any]:
        """The rate as plain JSON values, as the API shows it and the record of changes keeps it."""
        return {
            "base": self.base,
            "quote": self.quote,
            "on": self.on.isoformat(),
            "rate": rate_text(self.rate),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Converted:
    """What an amount was worth in another currency, frozen with the rate it was converted at."""

    amount: Money
    rate: Decimal
    """Units of the amount's currency for one unit of the expense's."""
    on: date
    """The day of the rate."""
    source: str

    def snapshot(self) -> dict[str, Any]:
        """It as plain JSON values."""
        return {
            "amount": {"value": self.amount.decimal_text(), "currency": self.amount.currency.code},
            "rate": rate_text(self.rate),
            "on": self.on.isoformat(),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Quotation:
    """What one unit of a currency is worth in another, found among the rates of a workspace."""

    rate: Decimal
    on: date
    source: str


@dataclass(frozen=True, slots=True)
class ConversionChoice:
    """Which of the amounts that are not in the base currency to convert; all that is said must hold."""

    again: bool = False
    """Those too that are converted already."""
    currency: str | None = None
    from_day: date | None = None
    to_day: date | None = None
    """Last day that still counts."""


def parse_rate(text: str, *, field: str = "rate") -> Decimal:
    """The rate that the text says, to the last digit. Raises `InvalidRate`; nothing is rounded or guessed."""
    if not _RATE.fullmatch(text) or not (rate := Decimal(text)):
        raise InvalidRate(field=field)
    return rate


def rate_text(rate: Decimal) -> str:
    """A rate without an exponent and without zeros at its end: `1.0843`, `0.0000061`, `150`."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quotation(rates: Iterable[Rate], *, of: str, into: str, on: date) -> Quotation | None:
    """What one unit of a currency is worth in another on a day; nothing when the rates do not say.

    The latest day counts, up to `LOOK_BACK` before. On that day: a rate from the one into the other; else its inverse;
    else, by way of `CROSS`, what one unit of it is worth in either. What is computed has `DERIVED_DIGITS`.
    """
    by_day: dict[date, dict[tuple[str, str], Rate]] = defaultdict(dict)
    for rate in rates:
        if on - LOOK_BACK <= rate.on <= on:
            by_day[rate.on][rate.base, rate.quote] = rate
    for day in sorted(by_day, reverse=True):
        found = by_day[day]
        if direct := found.get((of, into)):
            return Quotation(direct.rate, day, direct.source)
        if inverse := found.get((into, of)):
            return Quotation(_quotient(Decimal(1), inverse.rate), day, inverse.source)
        mine, theirs = found.get((CROSS, of)), found.get((CROSS, into))
        if mine and theirs:
            sources = dict.fromkeys((theirs.source, mine.source))
            return Quotation(_quotient(theirs.rate, mine.rate), day, ", ".join(sources))
    return None


def convert(amount: Money, into: Currency, quoted: Quotation) -> Converted | None:
    """What the amount is worth, rounded half to even to the currency's digits; nothing when that is beyond bounds."""
    minor = rounded_product(amount.minor, quoted.rate, shift=into.exponent - amount.currency.exponent)
    if abs(minor) > LARGEST_CONVERTED:
        return None
    return Converted(Money(minor, into), quoted.rate, quoted.on, quoted.source)


def rounded_product(minor: int, rate: Decimal, *, shift: int) -> int:
    """`minor * rate * 10**shift`, rounded half to even, in whole numbers all the way."""
    _, digits, exponent = rate.as_tuple()
    product = minor * int("".join(map(str, digits)))
    power = int(exponent) + shift
    if power >= 0:
        return int(product * 10**power)
    unit = int(10**-power)
    whole, rest = divmod(product, unit)  # towards minus infinity, so that the rest is never negative
    is_above_half = 2 * rest > unit or (2 * rest == unit and whole % 2 == 1)
    return whole + 1 if is_above_half else whole


def _quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    with localcontext(prec=DERIVED_DIGITS, rounding=ROUND_HALF_EVEN):
        return dividend / divisor
