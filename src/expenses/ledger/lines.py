"""The lines of an expense: one purchase, several categories. Pure: no I/O, no clock.

An expense either is of one category as a whole, or has two or more lines that come to its amount, to the last minor
unit; the database checks the same at every commit (`expense_line_sum`). A line may be negative, as a deposit is that
was given back within a purchase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from expenses.errors import Invalid
from expenses.money import Money, parse_amount

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from expenses.money import Currency

FEWEST_LINES: Final = 2
"""One line would say what the expense says."""

MOST_LINES: Final = 100
"""Lines of one expense: a long receipt."""

LONGEST_LINE_NOTE: Final = 200
"""Characters."""


class InvalidLines(Invalid):
    """An expense has no lines, or two or more."""

    code = "invalid_lines"


class LinesDoNotAddUp(Invalid):
    """The lines must come to the amount of the expense."""

    code = "lines_do_not_add_up"


@dataclass(frozen=True, slots=True)
class Line:
    """A part of an expense, in its currency."""

    category_id: UUID | None
    amount: Money
    note: str = ""

    def snapshot(self) -> dict[str, object]:
        """The line as plain JSON values; the currency is that of the expense."""
        return {
            "category_id": str(self.category_id) if self.category_id else None,
            "value": self.amount.decimal_text(),
            "note": self.note,
        }

    def read(self, currency: Currency) -> Line:
        """Itself; it is read already, whatever the currency. `check_lines` refuses another one than the expense's."""
        _ = currency
        return self


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line as somebody wrote it: what its value means depends on the currency of the expense."""

    category_id: UUID | None
    value: str
    note: str = ""

    def read(self, currency: Currency) -> Line:
        """The line in this currency. Raises `InvalidAmount`."""
        return Line(self.category_id, parse_amount(self.value, currency, field="lines"), self.note)


def check_lines(amount: Money, lines: Sequence[Line]) -> None:
    """Refuse lines that are no division of this amount; no lines at all are fine.

    Raises:
        InvalidLines: One line, or more than `MOST_LINES`.
        LinesDoNotAddUp: They come to another amount, or are in another currency; the detail says how much is missing.
    """
    if lines and not FEWEST_LINES <= len(lines) <= MOST_LINES:
        raise InvalidLines(f"Between {FEWEST_LINES} and {MOST_LINES} lines, or none.", field="lines")
    if any(line.amount.currency != amount.currency for line in lines):
        raise LinesDoNotAddUp("The lines are in another currency than the expense; write them anew.", field="lines")
    missing = amount.minor - sum(line.amount.minor for line in lines)
    if lines and missing:
        said = Money(abs(missing), amount.currency).decimal_text()
        raise LinesDoNotAddUp(
            f"The lines come to {said} {'less' if missing > 0 else 'more'} than the amount; change one of them.",
            field="lines",
        )
