"""The search language: `amount>50 cat:food from:2026-01 -note:gift corner "a phrase"`. Text to terms. Pure.

A search is terms with blanks between them, and an expense is found when it fits every one. A term is a word or a
phrase in quotation marks, or an operator with a value; a minus before it asks for the opposite. What a name such as
`food` or `anna` stands for in a workspace is looked up by the service (`listing`), which makes `criteria` of it all.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from expenses.errors import Invalid
from expenses.money import CURRENCIES

MOST_TERMS: Final = 20
"""Terms in one search: each costs a comparison for every row that is looked at."""

Field = Literal[
    "text", "merchant", "note", "cat", "tag", "payer", "account", "from", "to", "on", "amount", "currency", "is"
]
"""What a term is about."""

Comparison = Literal["=", "<", "<=", ">", ">="]

NAMED: Final[tuple[Field, ...]] = (
    "account",
    "amount",
    "cat",
    "currency",
    "from",
    "is",
    "merchant",
    "note",
    "on",
    "payer",
    "tag",
    "to",
)
"""The operators, as an error lists them."""

STATES: Final = ("refund", "uncategorised", "untagged", "divided", "unconverted")
"""What may stand behind `is:`."""

_PIECE = re.compile(
    r"""(?P<negated>-?)
        (?:(?P<name>[A-Za-z]+)(?P<comparison>:|[<>]=?|=))?
        (?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]*))(?=\s|$)""",
    re.VERBOSE,
)
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?(?:-([0-9]{2}))?")
_NUMBER = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,4})?")  # the largest amount of yen has 16


class InvalidSearch(Invalid):
    """The search cannot be understood."""

    code = "invalid_search"
    remedy = "Correct what stands at the character that `detail` names, or put quotation marks around it."


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a search."""

    field: Field
    value: str
    """As it was written, without quotation marks."""
    position: int
    """Character at which the term begins, counted from 1: what an error names."""
    negated: bool = False
    comparison: Comparison = "="
    """Only amounts have another one than equality."""

    def days(self) -> tuple[date, date]:
        """First and last day of the year, month or day that the value names. Raises `InvalidSearch`."""
        match = _DAY.fullmatch(self.value)
        year, month, day = (int(part) if part else None for part in match.groups()) if match else (None, None, None)
        try:
            first = date(year or 0, month or 1, day or 1)
        except ValueError:
            raise self.error("write a day, month or year, such as 2026-03-31, 2026-03 or 2026") from None
        last_month = month or 12
        return first, date(first.year, last_month, day or calendar.monthrange(first.year, last_month)[1])

    def number(self) -> Decimal:
        """The amount that the value says, exact, in major units. Raises `InvalidSearch`."""
        if not _NUMBER.fullmatch(self.value):
            raise self.error("write digits with at most one decimal point, such as 50 or 12.50")
        return Decimal(self.value)

    def error(self, what: str) -> InvalidSearch:
        """What is wrong with this term."""
        shown = self.value if len(self.value) <= 40 else f"{self.value[:40]}…"
        return InvalidSearch(f"At character {self.position}, “{shown}”: {what}.", field="q")


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a search, in their order; none in a blank one.

    Raises:
        InvalidSearch: Names the character at which the search stops making sense, and what could stand there.
    """
    terms: list[Term] = []
    start = _skip_blanks(text, 0)
    while start < len(text):
        match = _PIECE.match(text, start)
        if match is None:
            raise InvalidSearch(_why_no_term(text, start), field="q")
        terms.append(_term(match))
        if len(terms) > MOST_TERMS:
            raise InvalidSearch(f"At most {MOST_TERMS} terms; there are more at character {start + 1}.", field="q")
        start = _skip_blanks(text, match.end())
    return tuple(terms)


def _term(match: re.Match[str]) -> Term:
    position = match.start() + 1
    name = (match["name"] or "").lower()
    value = match["phrase"] if match["phrase"] is not None else match["word"]
    if not name:
        return _text(match, value, position)
    field: Field | None = next((each for each in NAMED if each == name), None)
    sign = match["comparison"]
    if field is None:
        if sign != ":":  # `a=b` and `x>y` are nothing but text
            return Term("text", match[0].removeprefix("-"), position, negated=bool(match["negated"]))
        allowed = ", ".join(NAMED)
        raise InvalidSearch(
            f"At character {position}: there is no operator `{name}`. There are {allowed}; "
            "put quotation marks around what is only text.",
            field="q",
        )
    comparison: Comparison = "=" if sign == ":" else sign  # type: ignore[assignment]  # the pattern has no others
    term = Term(field, value, position, negated=bool(match["negated"]), comparison=comparison)
    _check(term, sign)
    return term


def _text(match: re.Match[str], value: str, position: int) -> Term:
    written = match[0]
    if match["phrase"] is None and not value.strip("-"):
        return Term("text", written, position)  # a dash by itself is text
    if not value:
        raise InvalidSearch(f"At character {position}: there is nothing between the quotation marks.", field="q")
    return Term("text", value, position, negated=bool(match["negated"]))


def _check(term: Term, sign: str) -> None:
    """Refuse what no workspace could make sense of."""
    if not term.value.strip():
        raise term.error(f"there is nothing behind `{term.field}{sign}`")
    if term.field == "amount":
        term.number()
    elif sign != ":":
        raise term.error(f"only `amount` can be compared; write `{term.field}:`")
    if term.field in {"from", "to", "on"}:
        term.days()
    if term.negated and term.field in {"from", "to", "on", "amount"}:
        raise term.error(f"`{term.field}` has no opposite; ask for what you want instead")
    if term.field == "is" and term.value.lower() not in STATES:
        raise term.error(f"`is:` takes {', '.join(STATES)}")
    if term.field == "currency" and term.value.upper() not in CURRENCIES:
        raise term.error("there is no such currency; write its code, such as EUR")


def _why_no_term(text: str, start: int) -> str:
    quote = text.find('"', start)
    if text.find('"', quote + 1) < 0:
        return f"At character {quote + 1}: this quotation mark has no second one."
    return f"At character {quote + 1}: put a blank before and after what stands in quotation marks."


def _skip_blanks(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start
