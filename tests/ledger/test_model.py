"""Drafts, changes and filters as pure values: what is taken and what is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.errors import Invalid
from expenses.ledger.model import (
    CONTENT,
    Expense,
    ExpenseChange,
    ExpenseDraft,
    ExpenseFilter,
    marked,
    recorded,
    rewritten,
)
from expenses.ledger.texts import InvalidText
from expenses.money import CURRENCIES, Money

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
drafts = st.builds(
    ExpenseDraft,
    spent_on=st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    amount=st.builds(Money, st.integers(-(10**15), 10**15), st.sampled_from(list(CURRENCIES.values()))),
    merchant=texts.filter(str.strip),
    category_id=st.none() | st.uuids(),
    note=texts,
    tags=st.lists(texts.filter(str.strip), max_size=20).map(tuple),
    payer_id=st.none() | st.uuids(),
)


def expense_of(draft: ExpenseDraft) -> Expense:
    return recorded(draft, expense_id=UUID(int=1), created_by=UUID(int=2), now=NOW)


@given(drafts)
def test_what_a_draft_says_is_what_is_recorded(draft: ExpenseDraft) -> None:
    expense = expense_of(draft)
    assert ExpenseChange().applied_to(expense) == draft
    assert (expense.version, expense.created_at, expense.deleted_at) == (1, NOW, None)


@given(drafts, drafts)
def test_a_change_of_everything_leaves_only_the_identity(old: ExpenseDraft, new: ExpenseDraft) -> None:
    before = expense_of(old)
    change = ExpenseChange(**{name: getattr(new, name) for name in CONTENT})
    after = rewritten(before, change.applied_to(before), now=LATER)
    if old == new:
        assert after is before
    else:
        assert after == replace(expense_of(new), version=2, updated_at=LATER)


def test_a_change_knows_every_field_of_a_draft() -> None:
    assert tuple(each.name for each in fields(ExpenseChange)) == CONTENT


@given(drafts)
def test_the_trash_keeps_what_the_expense_says(draft: ExpenseDraft) -> None:
    expense = expense_of(draft)
    gone = marked(expense, deleted_at=LATER, now=LATER)
    back = marked(gone, deleted_at=None, now=LATER)
    assert (gone.version, back.version, gone.deleted_at, back.deleted_at) == (2, 3, LATER, None)
    assert ExpenseChange().applied_to(back) == draft


@given(drafts, st.sampled_from(["", " ", "\n", "a\0", "\ud800", "x" * 201]))
def test_a_change_is_checked_as_a_new_expense_is(draft: ExpenseDraft, merchant: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ExpenseChange(merchant=merchant).applied_to(expense_of(draft))
    assert refusal.value.field == "merchant"


@pytest.mark.parametrize("q", ["a\0b", "\udfff", "x" * 201])
def test_a_search_that_can_find_nothing_is_refused(q: str) -> None:
    with pytest.raises(InvalidText):
        ExpenseFilter(q=q)
