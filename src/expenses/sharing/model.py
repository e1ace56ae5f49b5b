"""Balances, the fewest sensible payments that clear them, and settlements. Pure: no I/O, no clock.

A balance is what somebody paid for others less what others paid for them, in one currency: above zero they get money
back, below they owe it. All balances of a currency come to zero, because every share of an expense comes out of
somebody's payment and every settlement goes from one to another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from expenses.errors import Invalid
from expenses.ledger.model import EARLIEST_DAY, LATEST_DAY, DayOutOfRange
from expenses.ledger.texts import check_text
from expenses.money import Money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from expenses.money import Currency

LONGEST_NOTE: Final = 500
"""Characters of a settlement's note. The database checks it too."""


class InvalidSettlement(Invalid):
    """A settlement goes from one person to another, and is more than nothing."""

    code = "invalid_settlement"


class UnknownPerson(Invalid):
    """Only people who belong to the workspace, or did, can settle anything in it."""

    code = "unknown_person"


@dataclass(frozen=True, slots=True)
class Balance:
    """What somebody gets back in one currency; below zero: what they owe."""

    user_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class Transfer:
    """A payment that would settle something."""

    from_user_id: UUID
    to_user_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class CurrencyBalances:
    """Who gets back and who owes in one currency, and the payments that would clear it."""

    currency: Currency
    balances: tuple[Balance, ...]
    """In the order of the people's ids, without those at zero."""
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class SettlementDraft:
    """A payment between two people that could be recorded. Raises `Invalid` when something in it cannot stand."""

    from_user_id: UUID
    to_user_id: UUID
    amount: Money
    paid_on: date
    note: str = ""

    def __post_init__(self) -> None:
        if self.from_user_id == self.to_user_id:
            raise InvalidSettlement("Nobody pays themselves; choose two people.", field="to_user_id")
        if self.amount.minor <= 0:
            raise InvalidSettlement(
                "The amount must be more than zero; swap the two people instead.", field="amount.value"
            )
        if not EARLIEST_DAY <= self.paid_on <= LATEST_DAY:
            raise DayOutOfRange(field="paid_on")
        check_text(self.note, field="note", longest=LONGEST_NOTE, may_be_blank=True)


@dataclass(frozen=True, slots=True)
class Settlement:
    """One payment between two people."""

    entity: ClassVar[str] = "settlement"

    id: UUID
    from_user_id: UUID
    to_user_id: UUID
    amount: Money
    paid_on: date
    note: str
    created_by: UUID
    created_at: datetime

    def snapshot(self) -> dict[str, object]:
        """The settlement as plain JSON values, as the API shows it and the record of changes keeps it."""
        return {
            "id": str(self.id),
            "from_user_id": str(self.from_user_id),
            "to_user_id": str(self.to_user_id),
            "amount": {"value": self.amount.decimal_text(), "currency": self.amount.currency.code},
            "paid_on": self.paid_on.isoformat(),
            "note": self.note,
        }


def settled_by(balances: Sequence[Balance]) -> tuple[Transfer, ...]:
    """Payments that bring all these balances, of one currency, to zero: fewer than there are people.

    What is owed is laid end to end, in the order of the people's ids, beside what is to be got back; a payment is where
    one piece lies beside another. So making any one of the payments takes its stretch out of both and leaves all others
    as they were. An order by amount would make a few less now and then, and others of them after each payment.

    Raises:
        ValueError: The balances do not come to zero.
    """
    if sum(each.amount.minor for each in balances):
        raise ValueError("balances come to zero")
    in_order = sorted(balances, key=lambda each: each.user_id)
    owing = deque((each.user_id, -each.amount.minor) for each in in_order if each.amount.minor < 0)
    transfers = []
    for creditor in (each for each in in_order if each.amount.minor > 0):
        missing = creditor.amount.minor
        while missing:
            debtor, owed = owing.popleft()
            part = min(missing, owed)
            transfers.append(Transfer(debtor, creditor.user_id, Money(part, creditor.amount.currency)))
            missing -= part
            if owed > part:
                owing.appendleft((debtor, owed - part))
    return tuple(transfers)
