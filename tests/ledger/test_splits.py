"""Dividing an amount among people creates and loses nothing, and treats them alike."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.ledger.lines import Line, LinesDoNotAddUp
from expenses.ledger.model import Expense, ExpenseChange, ExpenseDraft, recorded, rewritten
from expenses.ledger.splits import (
    LARGEST_WEIGHT,
    InvalidSplit,
    Part,
    SharesDoNotAddUp,
    Split,
    WrittenSplit,
    apportioned,
)
from expenses.ledger.wire import ExpenseIn
from expenses.money import CURRENCIES, LARGEST_MINOR, Currency, Money

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EUR = CURRENCIES["EUR"]

minors = st.integers(-LARGEST_MINOR, LARGEST_MINOR) | st.integers(-20, 20)
currencies = st.sampled_from([CURRENCIES[code] for code in ("JPY", "EUR", "KWD")])
amounts = st.builds(Money, minors, currencies)
weights = st.lists(st.integers(1, LARGEST_WEIGHT) | st.integers(1, 3), min_size=1, max_size=12)
people = st.sets(st.uuids(), min_size=1, max_size=8).map(sorted)


@st.composite
def drafts(draw: st.DrawFn) -> ExpenseDraft:
    """Expenses that are divided, in lines or not."""
    amount, who = draw(amounts), draw(people)
    mode = draw(st.sampled_from(["even", "weights", "exact"]))
    if mode == "even":
        split = Split("even", tuple(Part(each) for each in who))
    elif mode == "weights":
        split = Split("weights", tuple(Part(each, draw(st.integers(1, LARGEST_WEIGHT))) for each in who))
    else:
        values = apportioned(amount.minor, [draw(st.integers(1, 9)) for _ in who], turn=0)
        split = Split("exact", tuple(map(Part, who, values)), amount.currency)
    parts = apportioned(amount.minor, draw(st.lists(st.integers(1, 9), min_size=2, max_size=4)), turn=0)
    lines = tuple(Line(None, Money(part, amount.currency)) for part in parts) if draw(st.booleans()) else ()
    return ExpenseDraft(date(2026, 11, 22), amount, "Shop", payer_id=draw(st.uuids()), lines=lines, split=split)


def check_nothing_is_lost(expense: Expense) -> None:
    for parts in (expense.shares, expense.lines):
        assert not parts or sum(part.amount.minor for part in parts) == expense.amount.minor
        assert {part.amount.currency for part in parts} <= {expense.amount.currency}
    said = sum(int(str(share.snapshot()["value"]).replace(".", "")) for share in expense.shares)
    assert said == expense.amount.minor or not expense.shares


@given(minors, weights, st.integers(0))
def test_what_is_divided_adds_up_to_the_last_minor_unit(minor: int, among: list[int], turn: int) -> None:
    parts = apportioned(minor, among, turn=turn)
    assert sum(parts) == minor
    assert len(parts) == len(among)


@given(minors, weights, st.integers(0))
def test_nobody_bears_a_minor_unit_more_or_less_than_their_part(minor: int, among: list[int], turn: int) -> None:
    total = sum(among)
    for part, weight in zip(apportioned(minor, among, turn=turn), among, strict=True):
        assert abs(part * total - minor * weight) < total


@given(minors, weights, st.integers(0))
def test_a_refund_takes_back_exactly_what_the_expense_divided(minor: int, among: list[int], turn: int) -> None:
    there, back = apportioned(minor, among, turn=turn), apportioned(-minor, among, turn=turn)
    assert [part + other for part, other in zip(there, back, strict=True)] == [0] * len(among)


@given(minors, weights, st.integers(0))
def test_whoever_weighs_more_never_bears_less(minor: int, among: list[int], turn: int) -> None:
    found = sorted(zip(among, map(abs, apportioned(minor, among, turn=turn)), strict=True))
    for (light, less), (heavy, more) in pairwise(found):
        assert less <= more or light == heavy


def test_the_odd_cent_is_borne_by_one_after_another() -> None:
    bearers = Counter(apportioned(100, [1, 1, 1], turn=turn).index(34) for turn in range(300))
    assert bearers == {0: 100, 1: 100, 2: 100}


def test_the_largest_remainder_gets_what_is_left() -> None:
    assert apportioned(10, [50, 30, 19, 1], turn=7) == [5, 3, 2, 0]
    assert apportioned(LARGEST_MINOR, [1, LARGEST_WEIGHT], turn=0) == [999_999_000, LARGEST_MINOR - 999_999_000]


@given(drafts(), st.uuids())
def test_an_expense_is_divided_without_loss_and_always_alike(draft: ExpenseDraft, expense_id: UUID) -> None:
    expense = recorded(draft, expense_id=expense_id, created_by=expense_id, now=NOW)
    check_nothing_is_lost(expense)
    assert recorded(draft, expense_id=expense_id, created_by=expense_id, now=NOW).shares == expense.shares
    assert rewritten(expense, draft, now=NOW) is expense


@given(drafts(), drafts(), st.data())
def test_no_chain_of_changes_creates_or_loses_a_minor_unit(
    draft: ExpenseDraft, other: ExpenseDraft, data: st.DataObject
) -> None:
    """What changes is chosen at random: the amount alone, the split alone, lines alone, all together, nothing."""
    expense = recorded(draft, expense_id=UUID(int=7), created_by=UUID(int=8), now=NOW)
    for source in (other, draft, other):
        names = data.draw(st.sets(st.sampled_from(["amount", "split", "lines"])))
        change = ExpenseChange(**{name: getattr(source, name) for name in names})
        try:
            expense = rewritten(expense, change.applied_to(expense), now=NOW)
        except (SharesDoNotAddUp, LinesDoNotAddUp):
            continue  # refused, so nothing has changed
        check_nothing_is_lost(expense)


@given(st.integers(-LARGEST_MINOR, LARGEST_MINOR), people, st.uuids())
def test_a_new_amount_is_divided_as_the_old_one_was(minor: int, who: list[UUID], payer: UUID) -> None:
    split = Split("weights", tuple(Part(each, number) for number, each in enumerate(who, start=1)))
    draft = ExpenseDraft(date(2026, 11, 22), Money(5, EUR), "Shop", payer_id=payer, split=split)
    before = recorded(draft, expense_id=payer, created_by=payer, now=NOW)
    after = rewritten(before, ExpenseChange(amount=Money(minor, EUR)).applied_to(before), now=NOW)
    assert after.shares == split.shares_of(Money(minor, EUR), expense_id=payer)
    assert after.split == split


def test_shares_that_are_stored_stay_when_something_else_changes() -> None:
    """So that another way of dividing, in a later version, does not change what was paid back already."""
    split = Split("even", (Part(UUID(int=1)), Part(UUID(int=2))))
    draft = ExpenseDraft(date(2026, 11, 22), Money(5, EUR), "Shop", payer_id=UUID(int=1), split=split)
    before = recorded(draft, expense_id=UUID(int=3), created_by=UUID(int=1), now=NOW)
    after = rewritten(before, ExpenseChange(note="x").applied_to(before), now=NOW)
    assert after.shares is before.shares


@pytest.mark.parametrize(
    "parts",
    [[], [(1, 1), (1, 2)], [(1, 0)], [(1, -1), (2, 1)], [(1, LARGEST_WEIGHT + 1)], [(n, 1) for n in range(101)]],
)
def test_a_split_that_means_nothing_is_refused(parts: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidSplit):
        Split("weights", tuple(Part(UUID(int=user), weight) for user, weight in parts))


@pytest.mark.parametrize(("values", "currency"), [(["2", "2.01"], "EUR"), (["2", "1.99"], "EUR"), (["2", "2"], "USD")])
def test_exact_shares_of_another_amount_or_currency_are_refused(values: list[str], currency: str) -> None:
    written = WrittenSplit(tuple((UUID(int=user), value) for user, value in enumerate(values)))
    split = written.read(CURRENCIES[currency])
    with pytest.raises(SharesDoNotAddUp):
        ExpenseDraft(date(2026, 11, 22), Money(400, EUR), "Shop", payer_id=UUID(int=1), split=split)


@given(drafts())
def test_what_is_shown_of_a_split_says_the_same_when_sent_back(draft: ExpenseDraft) -> None:
    assert draft.split is not None
    assert read_back(draft.split.snapshot(), draft.amount.currency) == draft.split


def read_back(shown: dict[str, object], currency: Currency) -> Split:
    body = ExpenseIn.model_validate(
        {
            "spent_on": "2026-11-22",
            "amount": {"value": "0", "currency": currency.code},
            "merchant": "x",
            "split": shown,
        }
    )
    assert body.split is not None
    return body.split.read().read(currency)
