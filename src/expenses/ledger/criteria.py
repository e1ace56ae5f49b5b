"""What a list of expenses asks for, with every name looked up: what `search_queries` writes as SQL. Pure.

It comes from two sources that add to each other: the parameters of a request (`model.ExpenseFilter`) and the terms of
its search text (`search`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from expenses.ledger.conditions import (
    Amounts,
    HasTag,
    HasText,
    InCategories,
    InCurrency,
    Is,
    NotConverted,
    PaidBy,
    PaidFrom,
)
from expenses.ledger.model import ExpenseFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from expenses.ledger.categories import Category
    from expenses.ledger.conditions import Condition, State
    from expenses.ledger.search import Field, Term
    from expenses.payments.model import PaymentAccount
    from expenses.workspaces.model import FormerMember, Member


@dataclass(frozen=True, slots=True)
class Criteria:
    """Everything that must hold of an expense."""

    from_day: date | None = None
    to_day: date | None = None
    wanted: tuple[Condition, ...] = ()
    unwanted: tuple[Condition, ...] = ()

    @property
    def indexed(self) -> tuple[Condition, ...]:
        """Those by which an index finds candidates."""
        return tuple(each for each in self.wanted if each.is_indexed)

    def as_filter(self) -> ExpenseFilter | None:
        """The same as a filter of days and a category, if it asks for nothing else: no search is needed for that."""
        if self.unwanted or len(self.wanted) > 1:
            return None
        match self.wanted:
            case ():
                return ExpenseFilter(self.from_day, self.to_day)
            case (InCategories(top=UUID() as category_id),):
                return ExpenseFilter(self.from_day, self.to_day, category_id=category_id)
            case (Is(state="uncategorised"),):
                return ExpenseFilter(self.from_day, self.to_day, is_uncategorised=True)
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in a search can stand for in this workspace."""

    categories: tuple[Category, ...] = ()
    members: tuple[Member, ...] = ()
    former: tuple[FormerMember, ...] = ()
    accounts: tuple[PaymentAccount, ...] = ()
    base_currency: str = "EUR"
    own_id: UUID | None = None
    """Of whoever asks: `payer:me`."""

    def categories_called(self, term: Term) -> InCategories:
        """Those of that name, else those that begin with it, and all below them. Raises `InvalidSearch`."""
        name = term.value.lower()
        found = {each.id for each in self.categories if each.name.lower() == name}
        found = found or {each.id for each in self.categories if each.name.lower().startswith(name)}
        if not found:
            raise term.error("no category is called like that or begins with it; `cat:none` is for those without one")
        return self.categories_below(found)

    def categories_below(self, found: set[UUID]) -> InCategories:
        """These, and those below them."""
        below = {each.id for each in self.categories if each.parent_id in found}
        return InCategories(frozenset(found | below), next(iter(found)) if len(found) == 1 else None)

    def members_called(self, term: Term) -> PaidBy:
        """Those whose name, first name or address it is, who left by name only. Raises `InvalidSearch`."""
        name = term.value.lower()
        if name == "me" and self.own_id is not None:
            return PaidBy(frozenset({self.own_id}))
        found = {each.user_id for each in self.members if name in _names_of(each.display_name, each.email)}
        found |= {each.user_id for each in self.former if name in _names_of(each.display_name)}
        if not found:
            raise term.error("no member is called like that; `payer:me` is you, `payer:none` is nobody")
        return PaidBy(frozenset(found))

    def accounts_called(self, term: Term) -> PaidFrom:
        """Those of that name, else those that begin with it, archived ones too. Raises `InvalidSearch`."""
        name = term.value.lower()
        found = {each.id for each in self.accounts if each.name.lower() == name}
        found = found or {each.id for each in self.accounts if each.name.lower().startswith(name)}
        if not found:
            raise term.error(
                "no payment account is called like that or begins with it; `account:none` is for those without one"
            )
        return PaidFrom(frozenset(found))


def criteria_of(filters: ExpenseFilter, terms: Iterable[Term], names: Names) -> Criteria:
    """All that filters and terms ask for. Raises `InvalidSearch` for a name that nothing in the workspace has."""
    said = Criteria(filters.from_day, filters.to_day, tuple(_of_filters(filters, names)))
    for term in terms:
        if term.field in {"from", "to", "on"} and not term.negated:
            first, last = term.days()
            said = _narrowed(said, first if term.field != "to" else None, last if term.field != "from" else None)
            continue
        condition = _condition(term, names)
        if term.negated:
            said = replace(said, unwanted=(*said.unwanted, condition))
        else:
            said = replace(said, wanted=(*said.wanted, condition))
    return said


def _of_filters(filters: ExpenseFilter, names: Names) -> Iterable[Condition]:
    if filters.category_id is not None:
        yield names.categories_below({filters.category_id})
    if filters.is_uncategorised:
        yield Is("uncategorised")
    if filters.tag:
        yield HasTag(filters.tag)
    if filters.merchant:
        yield HasText(filters.merchant, "merchant")
    if filters.payer_id is not None:
        yield PaidBy(frozenset({filters.payer_id}))
    yield from _of_account_and_amounts(filters)


def _of_account_and_amounts(filters: ExpenseFilter) -> Iterable[Condition]:
    if filters.account_id is not None:
        yield PaidFrom(frozenset({filters.account_id}))
    if filters.smallest is not None:
        yield Amounts(">=", filters.smallest)
    if filters.largest is not None:
        yield Amounts("<=", filters.largest)


def _condition(term: Term, names: Names) -> Condition:  # noqa: PLR0911 - one line for each field of the language
    value = term.value
    if value.lower() == "none" and (state := _WITHOUT.get(term.field)):
        return Is(state)
    by_name: dict[Field, Callable[[Term], Condition]] = {
        "cat": names.categories_called,
        "payer": names.members_called,
        "account": names.accounts_called,
    }
    if look_up := by_name.get(term.field):
        return look_up(term)
    match term.field:
        case "tag":
            return HasTag(value)
        case "amount":
            return Amounts(term.comparison, term.number())
        case "currency":
            return InCurrency(value.upper())
        case "is":
            return _state(value.lower(), names)
        case "merchant" | "note":
            return HasText(value, term.field)
        case _:
            return HasText(value)


_WITHOUT: Final[dict[Field, State]] = {
    "cat": "uncategorised",
    "payer": "unpaid",
    "account": "without_account",
    "tag": "untagged",
}


def _state(name: str, names: Names) -> Condition:
    if name == "refund":
        return Amounts("<", Decimal(0))
    if name == "unconverted":
        return NotConverted(names.base_currency)
    states: dict[str, State] = {"uncategorised": "uncategorised", "untagged": "untagged", "divided": "divided"}
    return Is(states[name])


def _narrowed(said: Criteria, first: date | None, last: date | None) -> Criteria:
    starts = [day for day in (said.from_day, first) if day is not None]
    ends = [day for day in (said.to_day, last) if day is not None]
    return replace(said, from_day=max(starts, default=None), to_day=min(ends, default=None))


def _names_of(display_name: str, email: str = "") -> set[str]:
    full, address = display_name.lower(), email.lower()
    return {full, full.partition(" ")[0], address, address.partition("@")[0]} - {""}
