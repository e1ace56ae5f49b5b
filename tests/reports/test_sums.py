"""The sums that the database keeps are those of the ledger, whoever writes into it, and in whatever way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import text
from tests.conftest import execute
from tests.reports import recount

from expenses.errors import ServiceError
from expenses.isolation import ROLE
from expenses.ledger import service as ledger
from expenses.ledger.bulk import BulkChange, Order, Target
from expenses.ledger.bulk_service import change_expenses
from expenses.ledger.conversion_service import convert_expenses
from expenses.ledger.lines import Line
from expenses.ledger.model import ExpenseChange, ExpenseDraft
from expenses.ledger.splits import Part, Split, apportioned
from expenses.ledger.trash_service import purge_expense
from expenses.merchants.service import rename_merchants
from expenses.money import CURRENCIES, LARGEST_MINOR, Money
from expenses.rates.model import ConversionChoice, Rate
from expenses.rates.service import put_rate
from expenses.sharing import service as sharing
from expenses.sharing.model import SettlementDraft

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from tests.people import People, Person

    from expenses.db import Session

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STEPS = 100
MISSING = text(
    "SELECT missing_in_day_sum(id)::text FROM workspace UNION ALL"
    " SELECT missing_in_category_sum(id)::text FROM workspace UNION ALL"
    " SELECT missing_in_balance_sum(id)::text FROM workspace"
)


class Ledger:
    """Does something at random to a workspace, by the services that the API and the pages call."""

    def __init__(self, session: Session, anna: Person, people: list[UUID], categories: list[UUID], seed: int) -> None:
        self._session, self._people, self._categories = session, people, categories
        self._random = Random(seed)  # noqa: S311 - examples, not secrets
        self._home: dict[str, Any] = {"actor": anna.actor, "workspace_id": anna.workspace.id}
        self._ids: list[UUID] = []
        self._payments: list[UUID] = []
        often = [self._add, self._add, self._add, self._change, self._change, self._delete, self._restore]
        others = [self._purge, self._bulk, self._settle, self._take_back, self._convert, self._merge, self._set_rate]
        self._deeds: list[Callable[[], Awaitable[object]]] = [*often, *others]

    async def begin(self) -> str:
        """Makes something that can be changed and taken back."""
        await self._add()
        await self._settle()
        return "begin"

    async def step(self) -> str:
        """Does one thing, or is refused; says what."""
        deed = self._random.choice(self._deeds)
        try:
            await deed()
        except ServiceError as error:
            return f"{deed.__name__}: {error!r}"
        return deed.__name__

    def _money(self) -> Money:
        most = self._random.choice([10, 100_000, LARGEST_MINOR])
        return Money(self._random.randint(-most, most), CURRENCIES[self._random.choice(["EUR", "USD", "JPY", "KWD"])])

    def _day(self) -> date:
        return date(2026, 10, 30) + timedelta(days=self._random.randrange(4))

    def _category(self) -> UUID | None:
        return self._random.choice([None, *self._categories])

    def _split(self, amount: Money) -> Split | None:
        who = self._random.sample(self._people, self._random.randint(1, len(self._people)))
        mode = self._random.choice(["none", "even", "weights", "exact"])
        if mode == "exact":
            parts = apportioned(amount.minor, [self._random.randint(1, 9) for _ in who], turn=0)
            return Split("exact", tuple(map(Part, who, parts)), amount.currency)
        if mode == "weights":
            return Split("weights", tuple(Part(each, self._random.randint(1, 99)) for each in who))
        return Split("even", tuple(map(Part, who))) if mode == "even" else None

    def _lines(self, amount: Money) -> tuple[Line, ...]:
        if self._random.random() < 0.6:
            return ()
        parts = apportioned(amount.minor, [1, 2, 3][: self._random.randint(2, 3)], turn=0)
        return tuple(Line(self._category(), Money(part, amount.currency)) for part in parts)

    async def _add(self) -> None:
        drafts = []
        for _ in range(self._random.choice([1, 1, 3])):
            amount = self._money()
            lines = self._lines(amount)
            category = None if lines else self._category()
            shop, payer = self._random.choice(["Shop", "shop", "Store"]), self._random.choice(self._people)
            said: dict[str, Any] = {"category_id": category, "payer_id": payer, "lines": lines}
            drafts.append(ExpenseDraft(self._day(), amount, shop, split=self._split(amount), **said))
        made = await ledger.add_expenses(self._session, **self._home, drafts=drafts, now=NOW)
        self._ids += [each.id for each in made]

    async def _change(self) -> None:
        amount = self._money()
        changes = [
            ExpenseChange(amount=amount, lines=self._lines(amount), split=self._split(amount)),
            ExpenseChange(spent_on=self._day()),
            ExpenseChange(spent_on=self._day(), amount=amount, lines=(), split=None),
            ExpenseChange(category_id=self._category(), lines=()),
            ExpenseChange(payer_id=self._random.choice(self._people), note=str(self._random.random())),
            ExpenseChange(amount=amount),
        ]
        chosen, change = self._random.choice(self._ids), self._random.choice(changes)
        await ledger.change_expense(self._session, **self._home, expense_id=chosen, change=change, now=NOW)

    async def _delete(self) -> None:
        await ledger.delete_expense(self._session, **self._home, expense_id=self._random.choice(self._ids), now=NOW)

    async def _restore(self) -> None:
        await ledger.restore_expense(self._session, **self._home, expense_id=self._random.choice(self._ids), now=NOW)

    async def _purge(self) -> None:
        await purge_expense(self._session, **self._home, expense_id=self._random.choice(self._ids), now=NOW)

    async def _bulk(self) -> None:
        targets = [Target(each) for each in self._random.sample(self._ids, min(5, len(self._ids)))]
        payer = self._random.choice(self._people)
        change = Order("change", BulkChange(category_id=self._category(), payer_id=payer))
        order = self._random.choice([change, Order("delete"), Order("restore")])
        await change_expenses(self._session, **self._home, targets=targets, order=order, now=NOW)

    async def _settle(self) -> None:
        one, other = self._random.sample(self._people, 2)
        money = self._money()
        draft = SettlementDraft(one, other, Money(abs(money.minor) + 1, money.currency), self._day())
        made = await sharing.add_settlement(self._session, **self._home, draft=draft, now=NOW)
        self._payments.append(made.id)

    async def _take_back(self) -> None:
        chosen = self._random.choice(self._payments)
        await sharing.delete_settlement(self._session, **self._home, settlement_id=chosen, now=NOW)

    async def _convert(self) -> None:
        choice = ConversionChoice(again=self._random.random() < 0.5)
        await convert_expenses(self._session, **self._home, choice=choice, now=NOW)

    async def _merge(self) -> None:
        await rename_merchants(self._session, **self._home, names=["shop", "Store"], to="Shop", now=NOW)

    async def _set_rate(self) -> None:
        quote = self._random.choice(["USD", "JPY", "KWD"])
        rate = Decimal(self._random.randint(1, 99)) / 10
        new = Rate(self._home["workspace_id"], "EUR", quote, date(2026, 10, 1), rate, "entered")
        await put_rate(self._session, actor=self._home["actor"], rate=new, now=NOW)


@pytest.mark.anyio
async def test_whatever_the_services_do_the_sums_are_those_of_the_ledger(
    session: Session, anna: Person, people: People, database: str
) -> None:
    others = [await people.sign_up() for _ in range(2)]
    for each in others:
        await people.join(each, anna.workspace, "member")
    found = await ledger.list_categories(session, actor=anna.actor, workspace_id=anna.workspace.id)
    ids = [each.user.id for each in [anna, *others]]
    book = Ledger(session, anna, ids, [each.id for each in found[:3]], seed=1)
    done = [await book.begin()]
    for _ in range(STEPS):
        done.append(await book.step())
        assert (await session.execute(MISSING)).all() == [], done
    must_be = recount.must_be(database)
    assert len(must_be) > 20
    assert recount.are(database) == must_be


ME, BEN, HOME, OTHER = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3, 4))
START = f"""
INSERT INTO user_account (id, email, display_name, password_hash, created_at)
  SELECT id::uuid, id || '@b', 'A', 'x', now() FROM unnest('{{{ME},{BEN}}}'::text[]) id;
INSERT INTO workspace (id, name, kind, base_currency, time_zone, created_at)
  SELECT id, 'H', 'household', 'EUR', 'UTC', now() FROM unnest('{{{HOME},{OTHER}}}'::uuid[]) id;
INSERT INTO category (workspace_id, id, name, color, position) SELECT id, id, 'x', '#000000', 1 FROM workspace;
"""
FILL = """
WITH new AS (
  INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, category_id, note, tags, payer_id,
    version, created_by, created_at, updated_at, deleted_at, line_count, split_mode)
  SELECT workspace.id, gen_random_uuid(), date '2026-10-30' + n % 3, 2 * n, CASE n % 5 WHEN 0 THEN 'JPY' ELSE 'EUR' END,
    'Shop', CASE WHEN n % 3 > 0 THEN workspace.id END, '', '{}', account.id, 1, account.id, now(), now(),
    CASE n % 7 WHEN 0 THEN now() END, CASE n % 3 WHEN 0 THEN 2 END, CASE n % 2 WHEN 0 THEN 'exact' END
  FROM workspace, (SELECT id FROM user_account ORDER BY id LIMIT 1) account, generate_series(1, 40) n RETURNING *
), lines AS (
  INSERT INTO expense_line (workspace_id, expense_id, position, spent_on, category_id, amount_minor, note)
  SELECT workspace_id, id, n, spent_on, CASE n WHEN 1 THEN workspace_id END, amount_minor / 2, ''
  FROM new, generate_series(1, 2) n WHERE line_count = 2
)
INSERT INTO expense_share (workspace_id, expense_id, user_id, amount_minor)
SELECT workspace_id, new.id, account.id, amount_minor / 2 FROM new, user_account account WHERE split_mode = 'exact';
"""
"""Expenses, their lines and their shares, all by one statement."""
BY_HAND = (
    FILL,
    "UPDATE expense SET currency = 'USD', spent_on = spent_on + 1 WHERE amount_minor % 4 = 0",
    "UPDATE expense SET deleted_at = now(), spent_on = '2026-12-01' WHERE amount_minor > 50",
    "UPDATE expense SET deleted_at = NULL, spent_on = '2026-12-02', currency = 'KWD' WHERE amount_minor > 60",
    (
        "UPDATE expense SET amount_minor = amount_minor + 2; UPDATE expense_line SET amount_minor = amount_minor + 1;"
        "UPDATE expense_share SET amount_minor = amount_minor + 1"
    ),
    "UPDATE expense SET payer_id = NULL WHERE split_mode IS NULL",
    f"UPDATE expense SET payer_id = '{BEN}'",
    "UPDATE expense_line SET category_id = NULL, position = position + 2",
    (
        "UPDATE expense SET fx_rate = 2, fx_on = spent_on, fx_source = 'x', base_currency = 'EUR',"
        " base_amount_minor = 2 * amount_minor WHERE currency <> 'EUR'"
    ),
    "UPDATE expense SET base_amount_minor = 3 * amount_minor WHERE base_currency IS NOT NULL",
    (
        "DELETE FROM expense_share; UPDATE expense SET split_mode = NULL WHERE amount_minor % 4 = 0;"
        f"INSERT INTO expense_share SELECT workspace_id, id, '{ME}', amount_minor FROM expense"
        " WHERE split_mode = 'exact'"
    ),
    (
        f"WITH plain AS (UPDATE expense SET category_id = '{HOME}', line_count = NULL WHERE workspace_id = '{HOME}'"
        " RETURNING *) DELETE FROM expense_line AS line USING plain WHERE line.workspace_id = plain.workspace_id"
        " AND line.expense_id = plain.id"
    ),
    (
        "INSERT INTO settlement (workspace_id, id, from_user_id, to_user_id, amount_minor, currency, paid_on, note,"
        f" created_by, created_at) SELECT id, id, '{ME}', '{BEN}', 1, 'EUR', now(), '', '{ME}', now() FROM workspace"
    ),
    f"UPDATE settlement SET amount_minor = 5, currency = 'JPY', from_user_id = '{BEN}', to_user_id = '{ME}'",
    "DELETE FROM settlement",
    "BEGIN; DELETE FROM expense WHERE amount_minor > 40; SAVEPOINT here; DELETE FROM expense; ROLLBACK TO here; COMMIT",
    "BEGIN; UPDATE expense SET amount_minor = 1, line_count = NULL; DELETE FROM expense; ROLLBACK",
    "DELETE FROM expense WHERE deleted_at IS NOT NULL",
    FILL,
    "UPDATE expense SET category_id = NULL; UPDATE expense_line SET category_id = NULL",  # lest it stay for those
    f"DELETE FROM workspace WHERE id = '{OTHER}'",
    "DELETE FROM expense",
)
"""What an operator may do by hand, one after the other."""


def test_whatever_is_done_by_hand_the_sums_are_those_of_the_ledger(database: str) -> None:
    execute(database, START)
    for statement in BY_HAND:
        execute(database, statement)
        assert recount.are(database) == recount.must_be(database), statement
        assert recount.missing(database) == [], statement
    assert recount.are(database) == {}


def test_what_is_missing_or_too_much_in_the_sums_is_found_and_mended_once(database: str) -> None:
    execute(database, START + FILL)
    execute(database, "UPDATE day_sum SET minor = minor + 1; DELETE FROM category_sum; DELETE FROM balance_sum")
    assert len(recount.missing(database)) > 9
    with psycopg2.connect(database) as one, psycopg2.connect(database) as other:
        one.cursor().execute("SELECT sum(mend_sums(id)) FROM workspace")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            other.cursor().execute("SET lock_timeout = 50; SELECT sum(mend_sums(id)) FROM workspace")
    execute(database, "SELECT sum(mend_sums(id)) FROM workspace")
    assert recount.missing(database) == []
    assert recount.are(database) == recount.must_be(database)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE day_sum SET minor = 0",
        "DELETE FROM balance_sum",
        "INSERT INTO balance_sum (workspace_id, user_id, currency, minor) SELECT id, id, 'EUR', 1 FROM workspace",
        "SELECT mend_sums(id) FROM workspace",
        f"SELECT add_to_balance_sum('{HOME}', '{HOME}', 'EUR', 1)",
    ],
)
def test_the_service_itself_cannot_change_the_sums(database: str, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        execute(database, f"SET ROLE {ROLE}; SELECT set_config('expenses.workspace', '{HOME}', false); {statement}")
