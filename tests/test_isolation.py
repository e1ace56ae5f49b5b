"""The second wall: what the service's role sees and may do when the service itself forgets to ask.

By SQL under the role, so without any check of the service's own.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg2
import pytest
from psycopg2.errors import CheckViolation, InsufficientPrivilege
from sqlalchemy import bindparam, select, text
from tests.conftest import borrowed
from tests.ledger.recording import record

from expenses.db import HotQuery, transaction
from expenses.errors import ServiceError
from expenses.isolation import ROLE, act_as, enter
from expenses.ledger import queries
from expenses.ledger.model import ExpenseFilter
from expenses.ledger.tables import expense
from expenses.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from fastapi import FastAPI
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class that psycopg2 names in lower case
    from tests.people import Person

OPEN_TABLES = {"currency", "login_throttle"}
"""What belongs to nobody: the currencies of the world, and hashes of what somebody tried to sign in with."""

SOMETHING = {
    "user_account": "(id, email, display_name, password_hash, created_at)"
    " VALUES (%(me)s, %(me)s::text, 'x', 'x', now())",
    "workspace": "(id, name, kind, base_currency, time_zone, created_at)"
    " VALUES (%(here)s, 'x', 'household', 'EUR', 'UTC', now())",
    "membership": "(workspace_id, user_id, role, created_at) VALUES (%(here)s, %(me)s, 'owner', now())",
    "former_member": "(workspace_id, user_id, left_at) VALUES (%(here)s, %(me)s, now())",
    "invitation": "(workspace_id, id, token_hash, role, note, created_by, created_at, expires_at)"
    " VALUES (%(here)s, %(id)s, 'x', 'member', '', %(me)s, now(), now())",
    "category": "(workspace_id, id, name, color, position) VALUES (%(here)s, %(id)s, 'x', '#000000', 1)",
    "payment_account": "(workspace_id, id, name, kind, created_at) VALUES (%(here)s, %(id)s, 'x', 'cash', now())",
    "expense": "(workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, payer_id, version,"
    " created_by, created_at, updated_at, line_count, split_mode)"
    " VALUES (%(here)s, %(id)s, '2026-11-01', 2, 'EUR', 'x', '', '{}', %(me)s, 1, %(me)s, now(), now(), 2, 'exact')",
    "expense_line": "(workspace_id, expense_id, position, spent_on, amount_minor, note)"
    " VALUES (%(here)s, %(id)s, 1, '2026-11-01', 1, ''), (%(here)s, %(id)s, 2, '2026-11-01', 1, '')",
    "expense_share": "(workspace_id, expense_id, user_id, amount_minor) VALUES (%(here)s, %(id)s, %(me)s, 2)",
    "fx_rate": "(workspace_id, base, quote, on_date, rate, source) VALUES (%(here)s, 'EUR', 'USD', now(), 1, 'x')",
    "day_sum": "(workspace_id, spent_on, currency, base_currency, minor, base_minor, number)"
    " VALUES (%(here)s, '2026-11-01', 'EUR', 'EUR', 1, 1, 1)",
    "category_sum": "(workspace_id, month, category_id, currency, minor, number)"
    " VALUES (%(here)s, '2026-11-01', %(id)s, 'EUR', 1, 1)",
    "balance_sum": "(workspace_id, user_id, currency, minor) VALUES (%(here)s, %(me)s, 'EUR', 1)",
    "settlement": "(workspace_id, id, from_user_id, to_user_id, amount_minor, currency, paid_on, note, created_by,"
    " created_at) VALUES (%(here)s, %(id)s, %(me)s, %(other)s, 1, 'EUR', '2026-11-01', '', %(me)s, now())",
    "audit_event": "(workspace_id, id, at, entity, entity_id, action)"
    " VALUES (%(here)s, %(id)s, now(), 'expense', %(id)s, 'create')",
    "audit_seal": "(workspace_id, number, at, until, events, things, loose, digest, previous, hash)"
    " VALUES (%(here)s, 1, now(), 1, 1, 1, 1, '', '', '')",
    "idempotency_key": "(workspace_id, user_id, key, fingerprint, created_at)"
    " VALUES (%(here)s, %(me)s, 'x', 'x', now())",
    "api_token": "(id, user_id, name, token_hash, scopes, created_at, expires_at)"
    " VALUES (%(id)s, %(me)s, 'x', %(me)s::text::bytea, '{}', now(), now())",
    "web_session": "(id, user_id, token_hash, csrf_token, created_at, expires_at)"
    " VALUES (%(id)s, %(me)s, %(me)s::text::bytea, 'x', now(), now())",
    "sign_in_step": "(token_hash, user_id, expires_at) VALUES (%(me)s::text::bytea, %(me)s, now())",
    "second_factor": "(user_id, secret, created_at, enabled_at) VALUES (%(me)s, 'x', now(), now())",
    "recovery_code": "(user_id, code_hash) VALUES (%(me)s, 'x')",
    "account_event": "(user_id, id, kind, happened_at) VALUES (%(me)s, %(id)s, 'x', now())",
}
"""A row of every table, in an order in which they can be made, for a person (`me`) in a workspace (`here`)."""


def kept(table: str) -> tuple[str, str]:
    """By which column a row of this table is somebody's, and the name of whose it is."""
    columns = metadata.tables[table].columns
    if table in {"user_account", "workspace"}:
        return "id", "me" if table == "user_account" else "here"
    if "workspace_id" in columns and table != "idempotency_key":
        return "workspace_id", "here"
    return "user_id", "me"


@pytest.fixture
def role(database: str) -> Iterator[Cursor]:
    """A cursor under the service's role, in a database where each of two strangers has something of everything."""
    connection = psycopg2.connect(database)
    connection.autocommit = True
    with connection, connection.cursor() as cursor:
        for ids in (MINE, THEIRS):
            cursor.execute("INSERT INTO user_account " + SOMETHING["user_account"], ids)
        for ids in (MINE, THEIRS):
            cursor.execute("BEGIN")
            for table, row in SOMETHING.items():
                if table != "user_account":
                    cursor.execute(f"INSERT INTO {table} {row}", ids)
            cursor.execute("COMMIT")
        cursor.execute(f"SET ROLE {ROLE}")
        yield cursor
    connection.close()


_ME, _OTHER = str(UUID(int=1)), str(UUID(int=2))
MINE = {"me": _ME, "other": _OTHER, "here": str(UUID(int=11)), "id": str(UUID(int=21))}
THEIRS = {"me": _OTHER, "other": _ME, "here": str(UUID(int=12)), "id": str(UUID(int=22))}


def work_for(cursor: Cursor, person: str, workspace: str) -> None:
    cursor.execute(
        "SELECT set_config('expenses.person', %s, false), set_config('expenses.workspace', %s, false)",
        (person, workspace),
    )


def rows(cursor: Cursor, table: str, ids: dict[str, str]) -> int:
    """How many rows of this person, or of their workspace, the role sees."""
    column, whose = kept(table)
    cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} = %s", (ids[whose],))
    return int(cursor.fetchall()[0][0])


def changed(cursor: Cursor, statement: str, *arguments: object) -> int:
    """How many rows a statement changes; none when it is refused."""
    try:
        cursor.execute(statement, arguments)
    except (InsufficientPrivilege, CheckViolation):  # the latter: lines and shares stay with their expense
        return 0
    return cursor.rowcount


def test_every_table_has_policies_and_a_row_in_this_test(database: str) -> None:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relrowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = each.oid)"
            " FROM pg_class AS each WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        walled = dict(cursor.fetchall())
    del walled["alembic_version"]
    assert {table for table, is_walled in walled.items() if not is_walled} == OPEN_TABLES
    assert walled.keys() - OPEN_TABLES == SOMETHING.keys()


def test_what_belongs_to_others_is_out_of_sight_and_out_of_reach_in_every_table(role: Cursor) -> None:
    work_for(role, MINE["me"], MINE["here"])
    readable = [table for table in SOMETHING if table != "audit_seal"]  # that is the operator's alone
    assert {table: rows(role, table, MINE) > 0 for table in readable} == dict.fromkeys(readable, True)
    assert {table: rows(role, table, THEIRS) for table in readable} == dict.fromkeys(readable, 0)
    for table, row in SOMETHING.items():
        column, whose = kept(table)
        theirs, mine = THEIRS[whose], MINE[whose]
        with pytest.raises(InsufficientPrivilege):
            role.execute(f"INSERT INTO {table} {row}", THEIRS)
        assert changed(role, f"UPDATE {table} SET {column} = {column} WHERE {column} = %s", theirs) == 0, table
        assert changed(role, f"DELETE FROM {table} WHERE {column} = %s", theirs) == 0, table
        assert changed(role, f"UPDATE {table} SET {column} = %s WHERE {column} = %s", theirs, mine) == 0, table


def test_who_has_not_said_who_they_are_sees_nothing(role: Cursor) -> None:
    for table in SOMETHING:
        if table != "audit_seal":
            role.execute(f"SELECT count(*) FROM {table}")
            assert role.fetchall() == [(0,)], table


def test_who_is_in_no_workspace_sees_their_own_account_and_where_they_belong(role: Cursor) -> None:
    work_for(role, MINE["me"], "")
    own = {"user_account", "workspace", "membership"} | {t for t in SOMETHING if kept(t)[0] == "user_id"}
    assert {table for table in SOMETHING if table != "audit_seal" and rows(role, table, MINE)} == own


def test_an_invitation_opens_its_workspace_to_who_has_its_secret_only(role: Cursor) -> None:
    work_for(role, MINE["me"], "")
    for secret, is_open in (("y", False), ("x", True)):
        role.execute("SELECT enter_by_invitation(%s, %s::bytea)", (THEIRS["here"], secret))
        assert role.fetchall() == [(is_open,)]
        assert bool(rows(role, "invitation", THEIRS)) == is_open


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (id int)",
        "CREATE SCHEMA more",
        "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE expense DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE expense ADD more int",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE expense",
        "DROP POLICY is_here ON expense",
        "DROP VIEW workspace_expense",
        "TRUNCATE expense CASCADE",
        "UPDATE audit_event SET at = now()",
        "DELETE FROM audit_event",
        "INSERT INTO alembic_version VALUES ('x')",
        "DELETE FROM alembic_version",
        "INSERT INTO currency VALUES ('XXX', 0, 'x')",
        "SELECT FROM audit_seal",
        "COPY expense TO PROGRAM 'cat'",
        "ALTER ROLE expenses_app LOGIN",
    ],
)
def test_the_role_cannot_change_the_schema_or_the_record(role: Cursor, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        role.execute(statement)


def test_the_role_owns_nothing_and_cannot_log_in(role: Cursor) -> None:
    role.execute(
        "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
        (ROLE,),
    )
    assert role.fetchall() == [(False, False, False, False, False)]
    role.execute("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", (ROLE,))
    assert role.fetchall() == [(0,)]


HOT = HotQuery(select(expense.c.id).where(expense.c.workspace_id == bindparam("workspace_id")))


@pytest.mark.anyio
async def test_a_connection_that_is_given_back_shows_the_next_one_nothing(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    await record(client, anna)
    key = {"workspace_id": anna.workspace.id}

    async def left_behind() -> None:
        async with borrowed(app.state.engine) as session:
            assert (await session.execute(text("SELECT current_user, session_user <> current_user"))).one() == (
                ROLE,
                True,
            )
            assert not (await session.execute(text("SELECT id FROM expense"))).all()

    assert (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]
    await left_behind()
    await client.get(f"{anna.url}/expenses", headers=anna.headers)
    async with borrowed(app.state.engine) as session:
        assert not await HOT.rows(session, **key)
    await client.get(f"{anna.url}/expenses", headers=anna.headers)
    async with borrowed(app.state.engine) as session:
        with suppress(ServiceError):  # what is cleared in a transaction would come back with its rollback
            async with transaction(session):
                assert not await HOT.rows(session, **key)
                raise ServiceError
        assert not await HOT.rows(session, **key)
    await client.get(f"{anna.url}/expenses", headers=anna.headers)
    await client.get("/api/v1/me", headers={"Authorization": "Bearer exp_wrong"})
    await left_behind()


@pytest.mark.anyio
async def test_a_query_for_another_workspace_than_the_one_entered_finds_nothing(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    await record(client, anna)
    async with borrowed(app.state.engine) as session:
        await act_as(session, anna.user.id)
        await enter(session, uuid4())
        found = await queries.expenses_on_page(
            session, workspace_id=anna.workspace.id, filters=ExpenseFilter(), after=None, limit=10
        )
    assert found == []
