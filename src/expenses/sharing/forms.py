"""What people type about a payment between people. Pure; as forgiving as the ledger's form, and guesses as little."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.ledger.forms import NoSuchDay, plain_amount
from expenses.money import currency_named, parse_amount
from expenses.sharing.model import SettlementDraft, UnknownPerson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from expenses.errors import Invalid

_FIELD_OF = {"amount.value": "amount", "amount.currency": "currency"}
"""The form's names of what the API calls otherwise."""


def empty_payment(*, today: date, currency: str, from_user_id: UUID) -> dict[str, str]:
    """The fields of a payment that is not written down yet: from whoever looks at the page, today."""
    empty = {"from_user_id": str(from_user_id), "to_user_id": "", "amount": "", "note": ""}
    return empty | {"currency": currency, "paid_on": today.isoformat()}


def read_payment(fields: Mapping[str, str], *, today: date) -> SettlementDraft:
    """The payment that the fields describe. No day means today. Raises `Invalid` with the field it is about."""
    currency = currency_named(fields.get("currency", ""))
    return SettlementDraft(
        _person(fields, "from_user_id"),
        _person(fields, "to_user_id"),
        parse_amount(plain_amount(fields.get("amount", "")), currency),
        _day(fields.get("paid_on", "").strip(), today),
        fields.get("note", "").replace("\r\n", "\n").strip(),
    )


def payment_errors(error: Invalid) -> dict[str, str]:
    """What was refused, under the form's name of the field."""
    name = error.field or "form"
    return {_FIELD_OF.get(name, name): error.detail}


def _person(fields: Mapping[str, str], name: str) -> UUID:
    try:
        return UUID(fields.get(name, ""))
    except ValueError:
        raise UnknownPerson("Choose somebody.", field=name) from None


def _day(text: str, today: date) -> date:
    try:
        return date.fromisoformat(text) if text else today
    except ValueError:
        raise NoSuchDay(field="paid_on") from None
