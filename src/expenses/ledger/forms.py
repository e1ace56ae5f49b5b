"""What people type about an expense, read and written: text fields to a draft, an expense to text fields.

More forgiving than the API, since people type as they are used to, but nothing is guessed: an amount that can be
read in two ways is refused. Pure, as `model.py` is; pages show each error beside its field and keep what was typed.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from expenses.errors import Conflict, Invalid
from expenses.ledger.model import UNSET, ExpenseChange, ExpenseDraft, UnknownCategory, UnknownPayer, Unset
from expenses.ledger.splits import Part, Split, UnknownMember
from expenses.money import currency_named, parse_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from expenses.ledger.model import Expense

T = TypeVar("T")

_FIELD_OF = {"amount.value": "amount", "amount.currency": "currency"}
"""The form's names of what the API calls otherwise."""

_AMONG = "among_"
"""Begins the names of the boxes beside people; their ids follow."""

_DIVIDES = "has_division"
"""In the form when it had those boxes."""


class NoSuchDay(Invalid):
    """There is no such day; write it like 2026-11-30."""

    code = "no_such_day"


def empty_form(*, today: date, currency: str) -> dict[str, str]:
    """The fields of an expense that is not written down yet: spent today, in the workspace's currency."""
    return {
        "amount": "",
        "currency": currency,
        "merchant": "",
        "spent_on": today.isoformat(),
        "category_id": "",
        "note": "",
        "tags": "",
    }


def form_of(expense: Expense) -> dict[str, str]:
    """The fields of an expense as it stands, with the version that was seen."""
    return {
        "amount": expense.amount.decimal_text(),
        "currency": expense.amount.currency.code,
        "merchant": expense.merchant,
        "spent_on": expense.spent_on.isoformat(),
        "category_id": str(expense.category_id or ""),
        "note": expense.note,
        "tags": ", ".join(expense.tags),
        "payer_id": str(expense.payer_id or ""),
        "version": str(expense.version),
    } | {f"{_AMONG}{each}": "on" for each in (expense.split.user_ids if expense.split else ())}


def typed_over(form: dict[str, str], fields: Mapping[str, str]) -> dict[str, str]:
    """The form with what was typed: a box that is not ticked any more sends nothing."""
    kept = {name: value for name, value in form.items() if not name.startswith(_AMONG)}
    return (kept if _DIVIDES in fields else form) | dict(fields)


def read_division(fields: Mapping[str, str]) -> tuple[UUID | Unset | None, Split | Unset | None]:
    """Who paid and how it is divided, each as far as the form asked. Raises `Invalid`."""
    payer_id: UUID | Unset | None = UNSET
    if "payer_id" in fields:
        payer_id = _person(fields["payer_id"], UnknownPayer(field="payer_id")) if fields["payer_id"] else None
    if _DIVIDES not in fields:
        return payer_id, UNSET
    ticked = [name.removeprefix(_AMONG) for name in fields if name.startswith(_AMONG)]
    parts = tuple(Part(_person(each, UnknownMember(field="split"))) for each in ticked)
    return payer_id, Split("even", parts) if parts else None


def read_change(draft: ExpenseDraft, fields: Mapping[str, str]) -> ExpenseChange:
    """Everything that the form shows. Its lines, and a division that is not even, are not on it and stay.

    Raises:
        Invalid: Who paid, or among whom it is divided, is nobody.
    """
    payer_id, split = read_division(fields)
    return ExpenseChange(
        spent_on=draft.spent_on,
        amount=draft.amount,
        merchant=draft.merchant,
        category_id=UNSET if "has_lines" in fields else draft.category_id,
        note=draft.note,
        tags=draft.tags,
        payer_id=payer_id,
        split=split,
    )


def _person(text: str, otherwise: Invalid) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise otherwise from None


def read_expense(fields: Mapping[str, str], *, today: date) -> tuple[ExpenseDraft | None, dict[str, str]]:
    """The draft that the fields describe, or nothing and what is wrong, by field. No day means today."""
    errors: dict[str, str] = {}
    currency = _attempt(errors, "currency", lambda: currency_named(fields.get("currency", "")))
    typed = plain_amount(fields.get("amount", ""))
    amount = _attempt(errors, "amount", lambda: parse_amount(typed, currency)) if currency else None
    spent_on = _attempt(errors, "spent_on", lambda: _day(fields.get("spent_on", ""), today))
    category_id = _attempt(errors, "category_id", lambda: uuid_or_none(fields.get("category_id", "")))
    merchant = fields.get("merchant", "").strip()
    if not merchant:
        errors["merchant"] = "Say where, or for what."
    if amount is None or spent_on is None or errors:
        return None, errors
    draft = _attempt(
        errors,
        "merchant",
        lambda: ExpenseDraft(
            spent_on=spent_on,
            amount=amount,
            merchant=merchant,
            category_id=category_id,
            note=fields.get("note", "").replace("\r\n", "\n").strip(),
            tags=tuple(tag for text in fields.get("tags", "").split(",") if (tag := text.strip())),
        ),
    )
    return draft, errors


def errors_by_field(error: Invalid | Conflict) -> dict[str, str]:
    """What the service refused, under the form's name of the field; under `form` if it is about none."""
    name = error.field or "form"
    return {_FIELD_OF.get(name, name): error.detail}


def plain_amount(text: str) -> str:
    """What was typed as `parse_amount` reads it: `1.234,50`, `1,234.50`, `1 234.50` and `12,5` have one meaning each.

    A single separator before exactly three digits, as in `1,234`, is left as it is, for `parse_amount` to refuse: it is
    a thousand to some and one and a bit to others.
    """
    text = re.sub(r"[\s\u2019']", "", text).replace("\N{MINUS SIGN}", "-")
    if "," in text and "." in text:
        groups = "," if text.rfind(",") < text.rfind(".") else "."
        whole, _, fraction = text.rpartition("." if groups == "," else ",")
        if re.fullmatch(rf"-?\d{{1,3}}({re.escape(groups)}\d{{3}})+", whole):
            return f"{whole.replace(groups, '')}.{fraction}"
        return text
    return re.sub(r"^(-?\d+),(\d{1,2})$", r"\1.\2", text)


def uuid_or_none(text: str) -> UUID | None:
    """The chosen category, or none. Raises `UnknownCategory` for what no list of choices has."""
    try:
        return UUID(text) if text else None
    except ValueError:
        raise UnknownCategory(field="category_id") from None


def _attempt(errors: dict[str, str], name: str, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Invalid as error:
        field = error.field or name
        errors[_FIELD_OF.get(field, field)] = error.detail
        return None


def _day(text: str, today: date) -> date:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else today
    except ValueError:
        raise NoSuchDay from None
