"""The ledger's JSON: what clients send and get. Types and documentation only; the rules are in the model.

Without `from __future__ import annotations`: pydantic reads the annotations.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from expenses.ledger.lines import LONGEST_LINE_NOTE, MOST_LINES, WrittenLine
from expenses.ledger.model import (
    LONGEST_MERCHANT,
    LONGEST_NOTE,
    LONGEST_TAG,
    MOST_TAGS,
    ExpenseChange,
    ExpenseDraft,
)
from expenses.ledger.splits import LARGEST_WEIGHT, MOST_SHARES, Part, Split, WrittenSplit
from expenses.money import Money, currency_named, parse_amount

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _only_a_day(value: object) -> object:
    # pydantic alone would also take a number of seconds or a time of day, and drop the time.
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("write a day as YYYY-MM-DD")
    return value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


Day = Annotated[date, BeforeValidator(_only_a_day)]
"""A calendar day, `YYYY-MM-DD` and nothing else."""

Unsaid = BeforeValidator(_none_if_empty)
"""In a query, `from=` means the same as no `from`: forms send every field they have."""


class Closed(BaseModel):
    """A request body in which a misspelt field is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class Amount(Closed):
    """An amount of money. The value is text, because JSON's numbers are binary fractions to most readers."""

    value: str = Field(
        description="Major units: digits with at most one decimal point, and no more digits behind it than the "
        "currency has; negative for a refund",
        examples=["12.50"],
        json_schema_extra={"pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    )
    currency: str = Field(description="ISO 4217 code", examples=["EUR"], json_schema_extra={"pattern": "^[A-Z]{3}$"})

    def money(self) -> Money:
        """The amount, exact. Raises `InvalidAmount` or `UnknownCurrency`."""
        return parse_amount(self.value, currency_named(self.currency))

    @classmethod
    def of(cls, money: Money) -> "Amount":
        """The JSON of an amount."""
        return cls(value=money.decimal_text(), currency=money.currency.code)


Merchant = Annotated[str, Field(min_length=1, max_length=LONGEST_MERCHANT, examples=["Corner Bakery"])]
Note = Annotated[str, Field(max_length=LONGEST_NOTE)]
Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)]],
    Field(max_length=MOST_TAGS, description="Without repetition; a tag that is given twice is kept once"),
]


class LineIn(Closed):
    """A part of an expense, of one category."""

    category_id: UUID | None = None
    value: str = Field(description="As the value of an amount, in the currency of the expense", examples=["8.00"])
    note: Annotated[str, Field(max_length=LONGEST_LINE_NOTE)] = ""

    def written(self) -> WrittenLine:
        """What it says; what its value means depends on the expense."""
        return WrittenLine(self.category_id, self.value, self.note)


class LineOut(BaseModel):
    """A part of an expense, of one category."""

    model_config = ConfigDict(extra="forbid")

    category_id: UUID | None
    value: str
    note: str


Lines = Annotated[
    list[LineIn],
    Field(max_length=MOST_LINES, description="Two or more, that come to the amount; empty: all of one category"),
]


class EvenSplit(Closed):
    """Everybody bears the same; the odd minor unit goes to one after another, from expense to expense."""

    mode: Literal["even"]
    among: Annotated[list[UUID], Field(min_length=1, max_length=MOST_SHARES)]

    def read(self) -> Split:
        """What it says. Raises `Invalid`."""
        return Split("even", tuple(Part(user_id) for user_id in self.among))


class Weight(Closed):
    """How much somebody bears in proportion to the others."""

    user_id: UUID
    weight: int = Field(ge=1, le=LARGEST_WEIGHT)


class WeightedSplit(Closed):
    """Everybody bears in proportion to a weight."""

    mode: Literal["weights"]
    weights: Annotated[list[Weight], Field(min_length=1, max_length=MOST_SHARES)]

    def read(self) -> Split:
        """What it says. Raises `Invalid`."""
        return Split("weights", tuple(Part(each.user_id, each.weight) for each in self.weights))


class ShareOfExpense(Closed):
    """What somebody bears, in the currency of the expense."""

    user_id: UUID
    value: str = Field(description="As the value of an amount, in the currency of the expense", examples=["6.25"])


class ExactSplit(Closed):
    """Everybody bears what is said; it comes to the amount."""

    mode: Literal["exact"]
    shares: Annotated[list[ShareOfExpense], Field(min_length=1, max_length=MOST_SHARES)]

    def read(self) -> WrittenSplit:
        """What it says; what its values mean depends on the expense."""
        return WrittenSplit(tuple((each.user_id, each.value) for each in self.shares))


AnySplit = Annotated[EvenSplit | WeightedSplit | ExactSplit, Field(discriminator="mode")]


class ConvertedOut(BaseModel):
    """What an expense was worth in the workspace's base currency, frozen when it was converted."""

    model_config = ConfigDict(extra="forbid")

    amount: Amount
    rate: str = Field(description="Units of the base currency for one of the expense's", examples=["0.8901548"])
    on: date = Field(description="The day of the rate: that of the expense, or up to seven days before")
    source: str = Field(examples=["ECB"])


class ExpenseOut(BaseModel):
    """One expense."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    spent_on: date
    amount: Amount
    merchant: str
    category_id: UUID | None
    note: str
    tags: list[str]
    payer_id: UUID | None
    version: int = Field(description="Changes with every change; also in the header `ETag`")
    account_id: UUID | None = Field(description="The payment account it was paid from")
    lines: list[LineOut] = Field(description="Empty when all of it is of one category; `category_id` is null otherwise")
    split: AnySplit | None = Field(description="How it is divided, as it can be sent; null: it is not")
    shares: list[ShareOfExpense] = Field(description="What that comes to for each; they come to the amount")
    converted: ConvertedOut | None = Field(description="null: in the base currency, or not converted")


class ExpenseList(BaseModel):
    """One page of expenses, newest day first."""

    items: list[ExpenseOut]
    next: str | None = Field(description="Cursor of the next page, null on the last one")


class ExpenseIn(Closed):
    """An expense to record."""

    spent_on: Day = Field(description="1900-01-01 to 2199-12-31")
    amount: Amount
    merchant: Merchant
    category_id: UUID | None = None
    note: Note = ""
    tags: Tags = []
    payer_id: UUID | None = Field(default=None, description="A member; you, if the field is missing")
    account_id: UUID | None = Field(default=None, description="A payment account that is not archived")
    lines: Lines = []
    split: AnySplit | None = Field(default=None, description="How to divide it among members; null: not at all")

    def draft(self, *, default_payer_id: UUID) -> ExpenseDraft:
        """What it says. Raises `Invalid`."""
        amount = self.amount.money()
        return ExpenseDraft(
            spent_on=self.spent_on,
            amount=amount,
            merchant=self.merchant,
            category_id=self.category_id,
            note=self.note,
            tags=tuple(self.tags),
            payer_id=self.payer_id if "payer_id" in self.model_fields_set else default_payer_id,
            account_id=self.account_id,
            lines=tuple(line.written().read(amount.currency) for line in self.lines),
            split=self.split.read().read(amount.currency) if self.split else None,
        )


class ExpensePatch(Closed):
    """What shall be different; fields that are missing stay as they are, null empties those that can be empty."""

    # Defaults come from factories to keep them out of the API's description: none of them is ever used.
    spent_on: Day = Field(default_factory=lambda: date.min)
    amount: Amount = Field(default_factory=lambda: Amount(value="0", currency="EUR"))
    merchant: Merchant = Field(default_factory=str)
    category_id: UUID | None = None
    note: Note = Field(default_factory=str)
    tags: Tags = Field(default_factory=list)
    payer_id: UUID | None = None
    account_id: UUID | None = None
    lines: Lines = Field(default_factory=list)
    split: AnySplit | None = None

    def change(self) -> ExpenseChange:
        """What it says. Raises `Invalid`."""
        said: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "amount" in said:
            said["amount"] = self.amount.money()
        if "tags" in said:
            said["tags"] = tuple(self.tags)
        if "lines" in said:
            said["lines"] = tuple(line.written() for line in self.lines)
        if "split" in said:
            said["split"] = self.split and self.split.read()
        return ExpenseChange(**said)
