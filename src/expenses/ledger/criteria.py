"""What a list of expenses asks for, with every name looked up: what `search_queries` writes as SQL. Pure.

It comes from two sources that add to each other: the parameters of a request (`model.ExpenseFilter`) and the terms of
its search text (`search`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from expenses.ledger.model import ExpenseFilter
from expenses.money import CURRENCIES, LARGEST_MINOR

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from expenses.ledger.categories import Category
    from expenses.ledger.search import Comparison, Term
    from expenses.workspaces.model import Member

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

    ids: frozenset[UUID]
    is_indexed: bool = True


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
class Is:
    """It has no category, no tags, or nobody who paid."""

    state: Literal["uncategorised", "untagged", "unpaid"]
    is_indexed: bool = False


Condition = HasText | HasTag | InCategories | PaidBy | InCurrency | Amounts | Is


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
        """Those whose name, first name or address it is, in any case. Raises `InvalidSearch`."""
        name = term.value.lower()
        if name == "me" and self.own_id is not None:
            return PaidBy(frozenset({self.own_id}))
        found = frozenset(each.user_id for each in self.members if name in _names_of(each))
        if not found:
            raise term.error("no member is called like that; `payer:me` is you, `payer:none` is nobody")
        return PaidBy(found)


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
    if filters.smallest is not None:
        yield Amounts(">=", filters.smallest)
    if filters.largest is not None:
        yield Amounts("<=", filters.largest)


def _condition(term: Term, names: Names) -> Condition:  # noqa: PLR0911 - one line for each field of the language
    value = term.value
    match term.field:
        case "cat":
            return Is("uncategorised") if value.lower() == "none" else names.categories_called(term)
        case "payer":
            return Is("unpaid") if value.lower() == "none" else names.members_called(term)
        case "tag":
            return Is("untagged") if value.lower() == "none" else HasTag(value)
        case "amount":
            return Amounts(term.comparison, term.number())
        case "currency":
            return InCurrency(value.upper())
        case "is":
            return Amounts("<", Decimal(0)) if value.lower() == "refund" else Is(_STATES[value.lower()])
        case "merchant" | "note":
            return HasText(value, term.field)
        case _:
            return HasText(value)


_STATES: Final[dict[str, Literal["uncategorised", "untagged", "unpaid"]]] = {
    "uncategorised": "uncategorised",
    "untagged": "untagged",
}


def _narrowed(said: Criteria, first: date | None, last: date | None) -> Criteria:
    starts = [day for day in (said.from_day, first) if day is not None]
    ends = [day for day in (said.to_day, last) if day is not None]
    return replace(said, from_day=max(starts, default=None), to_day=min(ends, default=None))


def _names_of(member: Member) -> set[str]:
    full, address = member.display_name.lower(), member.email.lower()
    return {full, full.partition(" ")[0], address, address.partition("@")[0]}


EXPONENTS: Final = {
    digits: tuple(each.code for each in CURRENCIES.values() if each.exponent == digits)
    for digits in sorted({each.exponent for each in CURRENCIES.values()})
}
"""The currencies by the number of their digits."""
