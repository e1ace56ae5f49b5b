"""What an expense and its page are, and what may stand in them. Pure: no I/O, no clock.

Everything here is checked when it is made, so what has come this far is valid whichever door it came by (API,
page, import). Text is kept as it was written, character by character; only what PostgreSQL cannot hold is refused.

    Invalid
    ├── InvalidText          too long, blank where something is needed, or with characters no database can store
    ├── DayOutOfRange        before 1900 or after 2199
    ├── InvalidLines         only one line, too many, or a category beside them
    ├── LinesDoNotAddUp      the lines do not come to the amount
    ├── InvalidSplit         nobody to divide among, somebody twice, or nobody who paid
    ├── SharesDoNotAddUp     exact shares do not come to the amount
    ├── UnknownCategory      not in this workspace, or archived
    └── UnknownPayer         not a member of this workspace
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final

from expenses.errors import Invalid
from expenses.ledger.lines import LONGEST_LINE_NOTE, InvalidLines, Line, check_lines
from expenses.ledger.splits import InvalidSplit
from expenses.ledger.texts import InvalidText, check_text

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID

    from expenses.ledger.lines import WrittenLine
    from expenses.ledger.splits import Share, Split, WrittenSplit
    from expenses.money import Money
    from expenses.rates.model import Converted


EARLIEST_DAY: Final = date(1900, 1, 1)
"""First day on which anything can be spent here. A year like 0026 is a typing error, not history."""

LATEST_DAY: Final = date(2199, 12, 31)
"""Last day on which anything can be spent here."""

LONGEST_MERCHANT: Final = 200
"""Characters."""

LONGEST_NOTE: Final = 10_000
"""Characters: three pages of text. The database checks it too."""

MOST_TAGS: Final = 20
"""Tags on one expense."""

LONGEST_TAG: Final = 50
"""Characters."""

LONGEST_SEARCH: Final = 200
"""Characters of a search text; nothing longer than a merchant's name is worth looking for."""

DEFAULT_PAGE_SIZE: Final = 50
LARGEST_PAGE_SIZE: Final = 200
"""Rows on one page."""


class DayOutOfRange(Invalid):
    """The day must be between 1900-01-01 and 2199-12-31."""

    code = "day_out_of_range"


class UnknownCategory(Invalid):
    """There is no such category in this workspace."""

    code = "unknown_category"


class UnknownPayer(Invalid):
    """The payer is not a member of this workspace."""

    code = "unknown_payer"


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""Says of a field of a change: leave it as it is. `None` means: empty it."""


@dataclass(frozen=True, slots=True)
class ExpenseDraft:
    """An expense that could be recorded. Raises `Invalid` when something in it cannot stand.

    Repeated tags are dropped, the first of each is kept. A negative amount is a refund.
    """

    spent_on: date
    amount: Money
    merchant: str
    category_id: UUID | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    payer_id: UUID | None = None
    """Who paid; nobody in particular when `None`."""
    account_id: UUID | None = None
    """The payment account it was paid from."""
    lines: tuple[Line, ...] = ()
    """What it consists of, if it is of several categories; `category_id` is `None` then."""
    split: Split | None = None
    """How it is divided among people, if it is; somebody must have paid it then."""

    def __post_init__(self) -> None:
        if not EARLIEST_DAY <= self.spent_on <= LATEST_DAY:
            raise DayOutOfRange(field="spent_on")
        check_text(self.merchant, field="merchant", longest=LONGEST_MERCHANT)
        check_text(self.note, field="note", longest=LONGEST_NOTE, may_be_blank=True)
        object.__setattr__(self, "tags", tuple(dict.fromkeys(self.tags)))
        if len(self.tags) > MOST_TAGS:
            raise InvalidText(f"At most {MOST_TAGS} tags.", field="tags")
        for tag in self.tags:
            check_text(tag, field="tags", longest=LONGEST_TAG)
        check_lines(self.amount, self.lines)
        if self.lines and self.category_id is not None:
            raise InvalidLines("The lines have categories; the expense itself then has none.", field="category_id")
        for line in self.lines:
            check_text(line.note, field="lines", longest=LONGEST_LINE_NOTE, may_be_blank=True)
        if self.split:
            self.split.check(self.amount)
            if self.payer_id is None:
                raise InvalidSplit("Say who paid what is divided; they get it back from the others.", field="payer_id")


@dataclass(frozen=True, slots=True)
class Expense:
    """One recorded expense. Not checked when it is read: what was valid once can always be shown."""

    entity: ClassVar = "expense"

    id: UUID
    spent_on: date
    amount: Money
    merchant: str
    category_id: UUID | None
    note: str
    tags: tuple[str, ...]
    payer_id: UUID | None
    version: int
    """1 when recorded, one more with every change, deletion and restoration."""
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    account_id: UUID | None = None
    lines: tuple[Line, ...] = ()
    split: Split | None = None
    shares: tuple[Share, ...] = ()
    """What the split came to when the amount or the split was last changed."""
    converted: Converted | None = None
    """What it was worth in the workspace's base currency, frozen; `None` if it is in that one, or not converted."""

    def snapshot(self) -> dict[str, object]:
        """The expense as plain JSON values, as the API shows it and the record of changes keeps it."""
        return {
            "id": str(self.id),
            "spent_on": self.spent_on.isoformat(),
            "amount": {"value": self.amount.decimal_text(), "currency": self.amount.currency.code},
            "merchant": self.merchant,
            "category_id": str(self.category_id) if self.category_id else None,
            "note": self.note,
            "tags": list(self.tags),
            "payer_id": str(self.payer_id) if self.payer_id else None,
            "version": self.version,
            "account_id": str(self.account_id) if self.account_id else None,
            "lines": [line.snapshot() for line in self.lines],
            "split": self.split.snapshot() if self.split else None,
            "shares": [share.snapshot() for share in self.shares],
            "converted": self.converted.snapshot() if self.converted else None,
        }


@dataclass(frozen=True, slots=True)
class ExpenseChange:
    """What shall be different about an expense; fields that are `UNSET` stay as they are."""

    spent_on: date | Unset = UNSET
    amount: Money | Unset = UNSET
    merchant: str | Unset = UNSET
    category_id: UUID | Unset | None = UNSET
    note: str | Unset = UNSET
    tags: tuple[str, ...] | Unset = UNSET
    payer_id: UUID | Unset | None = UNSET
    account_id: UUID | Unset | None = UNSET
    lines: tuple[Line | WrittenLine, ...] | Unset = UNSET
    split: Split | WrittenSplit | Unset | None = UNSET

    def applied_to(self, expense: Expense) -> ExpenseDraft:
        """What the expense would say afterwards. Lines take the place of its category, unless that is given too.

        Raises `Invalid` as an `ExpenseDraft` does.
        """
        said = {name: _or_else(getattr(self, name), getattr(expense, name)) for name in CONTENT}
        said["lines"] = tuple(line.read(said["amount"].currency) for line in said["lines"])
        said["split"] = said["split"] and said["split"].read(said["amount"].currency)
        if self.category_id is UNSET and said["lines"]:
            said["category_id"] = None
        return ExpenseDraft(**said)


CONTENT: Final = tuple(each.name for each in fields(ExpenseDraft))
"""The fields of an expense that people write."""


def recorded(draft: ExpenseDraft, *, expense_id: UUID, created_by: UUID, now: datetime) -> Expense:
    """The first version of an expense."""
    shares = draft.split.shares_of(draft.amount, expense_id=expense_id) if draft.split else ()
    return Expense(
        id=expense_id,
        version=1,
        created_by=created_by,
        created_at=now,
        updated_at=now,
        shares=shares,
        **_content(draft),
    )


def rewritten(expense: Expense, draft: ExpenseDraft, *, now: datetime) -> Expense:
    """The next version of an expense, or this very one if the draft says nothing new."""
    if _content(draft) == {name: getattr(expense, name) for name in CONTENT}:
        return expense
    shares = expense.shares
    if (draft.amount, draft.split) != (expense.amount, expense.split):
        shares = draft.split.shares_of(draft.amount, expense_id=expense.id) if draft.split else ()
    return replace(expense, version=expense.version + 1, updated_at=now, shares=shares, **_content(draft))


def marked(expense: Expense, *, deleted_at: datetime | None, now: datetime) -> Expense:
    """The next version of an expense, put into the trash or taken out of it."""
    return replace(expense, version=expense.version + 1, updated_at=now, deleted_at=deleted_at)


def _content(draft: ExpenseDraft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in CONTENT}


def _or_else(value: object, otherwise: object) -> Any:  # noqa: ANN401 - whatever the field of a draft takes
    return otherwise if value is UNSET else value


@dataclass(frozen=True, slots=True)
class ExpenseFilter:
    """Which expenses to list; everything that is said must hold.

    Raises `InvalidText` when the search text is too long or cannot occur in any text.
    """

    from_day: date | None = None
    to_day: date | None = None
    """Last day that still counts."""
    category_id: UUID | None = None
    """This category or one below it."""
    is_uncategorised: bool = False
    """Only those without a category."""
    q: str | None = None
    """A search (`ledger.search`)."""
    tag: str | None = None
    """This very tag."""
    merchant: str | None = None
    """Part of the merchant, in any case."""
    payer_id: UUID | None = None
    account_id: UUID | None = None
    smallest: Decimal | None = None
    """Least amount in major units, in the digits of each expense's own currency; nothing is converted."""
    largest: Decimal | None = None

    def __post_init__(self) -> None:
        for field in ("q", "tag", "merchant"):
            check_text(getattr(self, field) or "", field=field, longest=LONGEST_SEARCH, may_be_blank=True)

    @property
    def is_search(self) -> bool:
        """Whether it asks for more than days and a category."""
        more = (self.q and self.q.strip(), self.tag, self.merchant, self.payer_id, self.account_id)
        return any(more) or self.smallest is not None or self.largest is not None
