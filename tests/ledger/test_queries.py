"""What queries cost: about the rows they return, however many there are."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from tests.conftest import execute
from tests.plans import nodes

from expenses.ledger import queries, service
from expenses.ledger.cursor import PageKey
from expenses.ledger.model import ExpenseFilter
from expenses.reports.queries import sums_of_month
from expenses.sharing.queries import balances_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asyncpg.connection import LoggedQuery
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio

MANY = 20_000
DEEP = PageKey(date(2008, 1, 1), uuid4())


async def plan_of(session: Session, asked: Awaitable[object], plan_mode: str) -> dict[str, Any]:
    """How a question is answered, when it is planned once for all its parameters or anew."""
    seen: list[tuple[str, Any]] = []
    connection = session.sync_connection
    event.listen(connection, "before_cursor_execute", lambda *args: seen.append((args[2], args[3])), named=False)
    driver = (await session.get_raw_connection()).driver_connection
    assert driver is not None

    def note_hot(query: LoggedQuery) -> None:
        seen.append((query.query, query.args))

    driver.add_query_logger(note_hot)
    await asked
    await asyncio.sleep(0)  # the driver tells a moment later
    driver.remove_query_logger(note_hot)
    statement, parameters = seen[-1]
    await driver.execute(f"SET plan_cache_mode = {plan_mode}")
    explained = await driver.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *parameters)
    plan: dict[str, Any] = explained[0]["Plan"]  # SQLAlchemy lets asyncpg decode JSON
    return plan


async def blocks_read(session: Session, asked: Awaitable[object], plan_mode: str) -> int:
    """How many blocks of the database a question touches."""
    plan = await plan_of(session, asked, plan_mode)
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.fixture
def session(at_home: Session) -> Session:
    """Under the role of the service: what policies allow decides what an index can be used for."""
    return at_home


@pytest.fixture
async def rare(session: Session, anna: Person, database: str) -> UUID:
    """A category that is hardly used, in a workspace of many expenses, the oldest 800 of which have no category."""
    categories = await service.list_categories(session, actor=anna.actor, workspace_id=anna.workspace.id)
    common, rare = categories[0].id, categories[1].id
    execute(
        database,
        "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, category_id, note, tags, "
        "version, created_by, created_at, updated_at) "
        f"SELECT '{anna.workspace.id}', gen_random_uuid(), date '2006-01-01' + n * 7300 / {MANY}, n, 'EUR', 'Shop', "
        f"CASE WHEN n <= 800 THEN NULL WHEN n % 9000 = 0 THEN '{rare}' ELSE '{common}' END::uuid, '', '{{}}', 1, "
        f"'{anna.user.id}', now(), now() FROM generate_series(1, {MANY}) n",
    )
    execute(database, "VACUUM ANALYZE expense")
    return rare


@pytest.mark.parametrize("plan_mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_reads_little_of_a_large_workspace(
    session: Session, anna: Person, rare: UUID, plan_mode: str
) -> None:
    for filters in (
        ExpenseFilter(),
        ExpenseFilter(category_id=rare),
        ExpenseFilter(is_uncategorised=True),
        ExpenseFilter(from_day=date(2009, 5, 1), to_day=date(2009, 5, 31)),
    ):
        for after in (None, DEEP):
            asked = queries.expenses_on_page(
                session, workspace_id=anna.workspace.id, filters=filters, after=after, limit=51
            )
            assert await blocks_read(session, asked, plan_mode) < 100, (filters, after)


@pytest.mark.usefixtures("rare")
async def test_a_month_report_reads_that_month_only(session: Session, anna: Person) -> None:
    first, last = date(2020, 5, 1), date(2020, 5, 31)
    asked = sums_of_month(session, workspace_id=anna.workspace.id, first_day=first, last_day=last)
    assert await blocks_read(session, asked, "auto") < 20


@pytest.fixture
async def lined(session: Session, anna: Person, database: str, rare: UUID) -> UUID:
    """A category that only two lines have, old ones, among the many expenses of which every tenth has lines."""
    categories = await service.list_categories(session, actor=anna.actor, workspace_id=anna.workspace.id)
    common, rarer = categories[0].id, categories[2].id
    assert rarer != rare
    execute(
        database,
        "WITH chosen AS (UPDATE expense SET category_id = NULL, line_count = 2 "
        "WHERE amount_minor % 10 = 1 RETURNING workspace_id, id, spent_on, amount_minor) "
        "INSERT INTO expense_line SELECT workspace_id, id, part, spent_on, "
        f"CASE WHEN part = 1 AND amount_minor IN (2001, 3001) THEN '{rarer}' ELSE '{common}' END::uuid, "
        "part * amount_minor, '' FROM chosen, generate_series(0, 1) part",
    )
    execute(database, "VACUUM ANALYZE expense, expense_line")
    return rarer


@pytest.mark.parametrize("plan_mode", ["force_custom_plan", "force_generic_plan"])
async def test_lines_make_no_page_and_no_report_read_much_of_a_large_workspace(
    session: Session, anna: Person, lined: UUID, plan_mode: str
) -> None:
    for after in (None, DEEP):
        filters = ExpenseFilter(category_id=lined)
        asked = queries.expenses_on_page(
            session, workspace_id=anna.workspace.id, filters=filters, after=after, limit=51
        )
        assert await blocks_read(session, asked, plan_mode) < 100, after
    found = await queries.expenses_on_page(
        session, workspace_id=anna.workspace.id, filters=ExpenseFilter(category_id=lined), after=None, limit=51
    )
    assert sorted(each.amount.minor for each in found) == [2001, 3001]
    first, last = date(2020, 5, 1), date(2020, 5, 31)
    asked_for = sums_of_month(session, workspace_id=anna.workspace.id, first_day=first, last_day=last)
    assert await blocks_read(session, asked_for, plan_mode) < 80  # of which 9 expenses' lines are most


@pytest.mark.usefixtures("lined")
async def test_a_month_and_who_owes_whom_are_read_from_sums_however_many_expenses_there_are(
    session: Session, anna: Person, database: str
) -> None:
    home, me = anna.workspace.id, anna.user.id
    reads = []
    for _ in range(2):
        for mode in ("force_custom_plan", "force_generic_plan"):
            asked = sums_of_month(session, workspace_id=home, first_day=date(2020, 5, 1), last_day=date(2020, 5, 31))
            for plan in (
                await plan_of(session, asked, mode),
                await plan_of(session, balances_of(session, workspace_id=home), mode),
            ):
                tables = {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node}
                assert tables <= {"day_sum", "category_sum", "balance_sum", "workspace", "membership"}, plan
                reads.append(int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"]))
        execute(
            database,
            f"""WITH new AS (INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note,
            tags, payer_id, version, created_by, created_at, updated_at, split_mode)
            SELECT '{home}', gen_random_uuid(), date '2020-05-01' + n % 31, n, 'EUR', 'Shop', '', '{{}}', '{me}', 1,
            '{me}', now(), now(), 'exact' FROM generate_series(1, 3000) n RETURNING *)
            INSERT INTO expense_share (workspace_id, expense_id, user_id, amount_minor)
            SELECT workspace_id, id, '{me}', amount_minor FROM new""",
        )
    assert max(reads) < 60, reads  # the 3,000 would be 200 and more
