"""Who bears which part of an expense. Pure: no I/O, no clock, no floating point.

A split says how to divide, shares are what that comes to. Both are kept: shares are what counts (the database checks at
every commit that they come to the amount, `expense_share_sum`), the split divides again when the amount changes.

    InvalidSplit             nobody to divide among, somebody twice, a weight below one, or nobody who paid
    SharesDoNotAddUp         exact shares come to another amount
    UnknownMember            not a member of this workspace
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from expenses.errors import Invalid
from expenses.money import Money, parse_amount

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from expenses.money import Currency

Mode = Literal["even", "weights", "exact"]
"""How an expense is divided."""

MOST_SHARES: Final = 100
"""People among whom one expense can be divided."""

LARGEST_WEIGHT: Final = 1_000_000
"""Enough for shares of a millionth, or for salaries."""


class InvalidSplit(Invalid):
    """An expense is divided among one or more people, each named once, with weights of one or more."""

    code = "invalid_split"


class SharesDoNotAddUp(Invalid):
    """The shares must come to the amount of the expense."""

    code = "shares_do_not_add_up"


class UnknownMember(Invalid):
    """Only members of the workspace can bear a part of its expenses."""

    code = "unknown_member"


@dataclass(frozen=True, slots=True)
class Part:
    """What a split says about one person."""

    user_id: UUID
    value: int = 1
    """1 when divided evenly, a weight, or an exact number of minor units."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one person bears of an expense."""

    user_id: UUID
    amount: Money

    def snapshot(self) -> dict[str, object]:
        """The share as plain JSON values; the currency is that of the expense."""
        return {"user_id": str(self.user_id), "value": self.amount.decimal_text()}


@dataclass(frozen=True, slots=True)
class Split:
    """How an expense is divided. Raises `InvalidSplit`. Its parts are in the order of the people's ids."""

    mode: Mode
    parts: tuple[Part, ...]
    currency: Currency | None = None
    """Of exact parts; the others divide whatever it is."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.parts) <= MOST_SHARES:
            raise InvalidSplit(f"Name between 1 and {MOST_SHARES} people.", field="split")
        if len({part.user_id for part in self.parts}) < len(self.parts):
            raise InvalidSplit("Name everybody only once.", field="split")
        if self.mode != "exact" and not all(1 <= part.value <= LARGEST_WEIGHT for part in self.parts):
            raise InvalidSplit(f"A weight is between 1 and {LARGEST_WEIGHT}.", field="split")
        object.__setattr__(self, "parts", tuple(sorted(self.parts, key=lambda part: part.user_id)))

    @property
    def user_ids(self) -> frozenset[UUID]:
        """Everybody who bears a part."""
        return frozenset(part.user_id for part in self.parts)

    def read(self, currency: Currency) -> Split:
        """Itself; it is read already, whatever the currency. `check` refuses another one than the expense's."""
        _ = currency
        return self

    def check(self, amount: Money) -> None:
        """Raise `SharesDoNotAddUp` if exact parts come to another amount; other modes divide any."""
        if self.mode != "exact":
            return
        if self.currency != amount.currency:
            raise SharesDoNotAddUp(
                "The shares are in another currency than the expense; write them anew.", field="split"
            )
        missing = amount.minor - sum(part.value for part in self.parts)
        if missing:
            said = Money(abs(missing), amount.currency).decimal_text()
            raise SharesDoNotAddUp(
                f"The shares come to {said} {'less' if missing > 0 else 'more'} than the amount; change one of them.",
                field="split",
            )

    def shares_of(self, amount: Money, *, expense_id: UUID) -> tuple[Share, ...]:
        """What everybody bears, to the last minor unit; the same for the same amount and expense."""
        if self.mode == "exact":
            found = [part.value for part in self.parts]
        else:
            found = apportioned(amount.minor, [part.value for part in self.parts], turn=expense_id.int)
        return tuple(
            Share(part.user_id, Money(minor, amount.currency)) for part, minor in zip(self.parts, found, strict=True)
        )

    def snapshot(self) -> dict[str, object]:
        """The split as plain JSON values, as clients may send it."""
        if self.mode == "even":
            return {"mode": "even", "among": [str(part.user_id) for part in self.parts]}
        if self.mode == "weights":
            return {
                "mode": "weights",
                "weights": [{"user_id": str(part.user_id), "weight": part.value} for part in self.parts],
            }
        if self.currency is None:
            raise ValueError("exact parts have a currency")
        shares = [Share(part.user_id, Money(part.value, self.currency)).snapshot() for part in self.parts]
        return {"mode": "exact", "shares": shares}


@dataclass(frozen=True, slots=True)
class WrittenSplit:
    """Exact shares as somebody wrote them: what their values mean depends on the currency of the expense."""

    shares: tuple[tuple[UUID, str], ...]

    def read(self, currency: Currency) -> Split:
        """The split in this currency. Raises `InvalidAmount` or `InvalidSplit`."""
        parts = [Part(user_id, parse_amount(value, currency, field="split").minor) for user_id, value in self.shares]
        return Split("exact", tuple(parts), currency)


def apportioned(minor: int, weights: Sequence[int], *, turn: int) -> list[int]:
    """This many minor units, divided in proportion to the weights; they add up to exactly as many.

    Largest remainder (Hamilton): everybody gets their part rounded down, and what is left goes by one unit to those
    whose part was cut the most. Among equals it begins with the one whose turn it is, so that not always the same
    person bears the cent. A refund is divided as the expense it takes back.

    Args:
        minor: What to divide; negative for a refund.
        weights: One or more, each at least 1.
        turn: Any number; together with the order of the weights it decides between equals.
    """
    total, count = sum(weights), len(weights)
    parts = [abs(minor) * weight // total for weight in weights]
    left = abs(minor) - sum(parts)
    cut = [abs(minor) * weight % total for weight in weights]
    first = turn % count
    for index in sorted(range(count), key=lambda index: (-cut[index], (index - first) % count))[:left]:
        parts[index] += 1
    return parts if minor >= 0 else [-part for part in parts]
