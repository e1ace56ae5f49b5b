"""Through the database: many expenses, divided at random, add up to zero, and to what the model says."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from expenses.ledger import service as ledger
from expenses.ledger.lines import Line
from expenses.ledger.model import ExpenseChange, ExpenseDraft
from expenses.ledger.splits import Part, Split, apportioned
from expenses.money import CURRENCIES, LARGEST_MINOR, Money
from expenses.sharing.queries import balances_of

if TYPE_CHECKING:
    from uuid import UUID

    from tests.people import People, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def draft(random: Random, people: list[UUID]) -> ExpenseDraft:
    currency = CURRENCIES[random.choice(["JPY", "EUR", "KWD"])]
    amount = Money(random.choice([-1, 1]) * random.randrange(random.choice([10, LARGEST_MINOR + 1])), currency)
    who = random.sample(people, random.randint(1, len(people)))
    mode = random.choice(["even", "weights", "exact"])
    if mode == "exact":
        parts = tuple(map(Part, who, apportioned(amount.minor, [random.randint(1, 9) for _ in who], turn=0)))
        split = Split("exact", parts, currency)
    elif mode == "weights":
        split = Split("weights", tuple(Part(each, random.randint(1, 99)) for each in who))
    else:
        split = Split("even", tuple(map(Part, who)))
    values = apportioned(amount.minor, [1, 2, 3], turn=random.randrange(9))
    lines = tuple(Line(None, Money(value, currency)) for value in values) if random.random() < 0.5 else ()
    return ExpenseDraft(date(2026, 11, 22), amount, "Shop", payer_id=random.choice(people), lines=lines, split=split)


async def test_nothing_is_lost_on_the_way_through_the_database(session: Session, anna: Person, people: People) -> None:
    others = [await people.sign_up() for _ in range(3)]
    for each in others:
        await people.join(each, anna.workspace, "member")
    random = Random(4)  # noqa: S311 - examples, not secrets
    ids = [each.user.id for each in [anna, *others]]
    actor, home = anna.actor, anna.workspace.id
    drafts = [draft(random, ids) for _ in range(40)]
    made = await ledger.add_expenses(session, actor=actor, workspace_id=home, drafts=drafts, now=NOW)
    for expense, other in zip(made[::2], drafts[1::2], strict=True):
        change = ExpenseChange(amount=other.amount, split=other.split, lines=other.lines)
        await ledger.change_expense(
            session, actor=actor, workspace_id=home, expense_id=expense.id, change=change, now=NOW
        )
    for expense in made[::5]:
        await ledger.delete_expense(session, actor=actor, workspace_id=home, expense_id=expense.id, now=NOW)
    page = await ledger.list_expenses(session, actor=actor, workspace_id=home, limit=200)
    expected: dict[tuple[str, UUID], int] = defaultdict(int)
    for expense in page.items:
        minor, code = expense.amount.minor, expense.amount.currency.code
        assert sum(share.amount.minor for share in expense.shares) == minor
        assert not expense.lines or sum(line.amount.minor for line in expense.lines) == minor
        assert expense.payer_id is not None
        expected[code, expense.payer_id] += minor
        for share in expense.shares:
            expected[code, share.user_id] -= share.amount.minor
    found = await balances_of(session, workspace_id=home)
    assert len(page.items) == 32
    assert {(each.amount.currency.code, each.user_id): each.amount.minor for each in found} == {
        key: minor for key, minor in expected.items() if minor
    }
    totals: dict[str, int] = defaultdict(int)
    for balance in found:
        totals[balance.amount.currency.code] += balance.amount.minor
    assert set(totals.values()) == {0}
