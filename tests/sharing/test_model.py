"""Balances and the payments that clear them, as pure values."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.errors import Invalid
from expenses.ledger.splits import Part, Split
from expenses.money import CURRENCIES, LARGEST_MINOR, Money
from expenses.sharing.model import Balance, SettlementDraft, Transfer, settled_by

EUR = CURRENCIES["EUR"]
ANNA, BEN = UUID(int=1), UUID(int=2)

minors = st.integers(-LARGEST_MINOR, LARGEST_MINOR) | st.integers(-9, 9)


@st.composite
def balances(draw: st.DrawFn) -> tuple[Balance, ...]:
    """Of people among whom nothing is lost, those at zero left out."""
    found = draw(st.lists(minors, max_size=9))
    found.append(-sum(found))
    ids = draw(st.permutations(range(len(found))))
    return tuple(Balance(UUID(int=i), Money(minor, EUR)) for i, minor in zip(ids, found, strict=True) if minor)


def after(found: tuple[Balance, ...], *paid: Transfer) -> tuple[Balance, ...]:
    """The balances once these payments are made."""
    left = defaultdict(int, {each.user_id: each.amount.minor for each in found})
    for each in paid:
        left[each.from_user_id] += each.amount.minor
        left[each.to_user_id] -= each.amount.minor
    return tuple(Balance(user_id, Money(minor, EUR)) for user_id, minor in left.items() if minor)


@given(balances())
def test_the_suggested_payments_bring_everybody_to_zero(found: tuple[Balance, ...]) -> None:
    assert after(found, *settled_by(found)) == ()


@given(balances())
def test_there_are_fewer_payments_than_people_and_none_for_nothing(found: tuple[Balance, ...]) -> None:
    suggested = settled_by(found)
    assert len(suggested) <= max(len(found) - 1, 0)
    assert all(each.amount.minor > 0 and each.from_user_id != each.to_user_id for each in suggested)
    assert len({(each.from_user_id, each.to_user_id) for each in suggested}) == len(suggested)


@given(balances(), st.data())
def test_making_one_payment_leaves_the_other_suggestions_as_they_are(
    found: tuple[Balance, ...], data: st.DataObject
) -> None:
    suggested = list(settled_by(found))
    while suggested:
        paid = suggested.pop(data.draw(st.integers(0, len(suggested) - 1)))
        found = after(found, paid)
        assert list(settled_by(found)) == suggested


@given(st.lists(st.tuples(minors, st.integers(0, 3), st.lists(st.integers(1, 5), min_size=1, max_size=4)), max_size=20))
def test_shares_and_payments_never_make_or_lose_money_between_people(
    spent: list[tuple[int, int, list[int]]],
) -> None:
    left: dict[UUID, int] = defaultdict(int)
    for number, (minor, payer, weights) in enumerate(spent):
        split = Split("weights", tuple(Part(UUID(int=user), weight) for user, weight in enumerate(weights)))
        left[UUID(int=payer)] += minor
        for share in split.shares_of(Money(minor, EUR), expense_id=UUID(int=number)):
            left[share.user_id] -= share.amount.minor
    assert sum(left.values()) == 0
    settled_by(tuple(Balance(user, Money(minor, EUR)) for user, minor in left.items() if minor))


def test_balances_that_do_not_come_to_zero_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="zero"):
        settled_by((Balance(ANNA, Money(1, EUR)),))


@pytest.mark.parametrize(
    ("to", "minor", "day", "field"),
    [
        (ANNA, 1, date(2026, 11, 22), "to_user_id"),
        (BEN, 0, date(2026, 11, 22), "amount.value"),
        (BEN, -1, date(2026, 11, 22), "amount.value"),
        (BEN, 1, date(1899, 12, 31), "paid_on"),
    ],
)
def test_a_payment_that_cannot_be_is_refused(to: UUID, minor: int, day: date, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        SettlementDraft(ANNA, to, Money(minor, EUR), day)
    assert refusal.value.field == field
