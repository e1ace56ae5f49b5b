"""One condition of a search each: what an expense must be like. What they mean in SQL is in `search_queries`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from expenses.money import CURRENCIES, LARGEST_MINOR

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID

    from expenses.ledger.search import Comparison

SHORTEST_INDEXED: Final = 3
"""Letters and digits in a row that a text needs before the index can find it: it is an index of three of them each."""

_BEYOND: Final = 10 * LARGEST_MINOR
"""Larger than any amount, and still a bigint."""


@dataclass(frozen=True, slots=True)
class HasText:
    """The text occurs, in any case: in the merchant, the note or a tag, or only where it says."""

    text: str
    place: Literal["any", "merchant", "note"] = "any"

    @property
    def is_indexed(self) -> bool:
        """Whether the index can find it: it has three letters or digits in a row."""
        runs = (len(list(run)) for is_word, run in groupby(self.text, key=str.isalnum) if is_word)
        return max(runs, default=0) >= SHORTEST_INDEXED


@dataclass(frozen=True, slots=True)
class HasTag:
    """It has this very tag."""

    tag: str
    is_indexed: bool = True


@dataclass(frozen=True, slots=True)
class InCategories:
    """It, or a line of it, is in one of these."""

    ids: frozenset[UUID]
    top: UUID | None = None
    """The one of them below which all others are, if there is one."""
    is_indexed: bool = False


@dataclass(frozen=True, slots=True)
class PaidBy:
    """One of these paid."""

    column: ClassVar[str] = "payer_id"
    ids: frozenset[UUID]
    is_indexed: bool = True


@dataclass(frozen=True, slots=True)
class PaidFrom:
    """It was paid from one of these payment accounts."""

    column: ClassVar[str] = "account_id"
    ids: frozenset[UUID]
    is_indexed: bool = False


@dataclass(frozen=True, slots=True)
class InCurrency:
    """It is in this currency."""

    code: str
    is_indexed: bool = True


@dataclass(frozen=True, slots=True)
class Amounts:
    """Its amount compares like this with a number of major units, in the digits of its own currency.

    `amount>50` is more than 50.00 EUR, more than 50 JPY, more than 50.000 KWD: nothing is converted.
    """

    comparison: Comparison
    number: Decimal
    is_indexed: bool = True

    def minor(self, exponent: int) -> tuple[Comparison, int] | None:
        """The same for minor units of a currency with so many digits; `None` if no amount of it can be like that."""
        exact = self.number.scaleb(exponent)
        whole = int(exact // 1) - (exact < 0 and exact % 1 != 0)  # the next one below
        bounded = max(-_BEYOND, min(whole, _BEYOND))
        if exact == whole:
            return self.comparison, bounded
        if self.comparison == "=":
            return None
        return ("<=", bounded) if self.comparison in {"<", "<="} else (">", bounded)


@dataclass(frozen=True, slots=True)
class NotConverted:
    """It is neither in this currency nor converted into it."""

    base: str
    is_indexed: bool = False


State = Literal["uncategorised", "untagged", "unpaid", "without_account", "divided"]


@dataclass(frozen=True, slots=True)
class Is:
    """It has no category, no tags, nobody who paid, or no payment account; or it is divided among people."""

    state: State
    is_indexed: bool = False


Condition = HasText | HasTag | InCategories | PaidBy | PaidFrom | InCurrency | NotConverted | Amounts | Is


EXPONENTS: Final = {
    digits: tuple(each.code for each in CURRENCIES.values() if each.exponent == digits)
    for digits in sorted({each.exponent for each in CURRENCIES.values()})
}
"""The currencies by the number of their digits."""
