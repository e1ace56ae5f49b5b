"""The database itself keeps the lines of an expense to its amount, whoever writes and however many at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, ISOLATION_LEVEL_REPEATABLE_READ
from tests.conftest import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same in every process: they are in the names of tests, of which all workers of pytest-xdist must have the same.
WORKSPACE, USER, EXPENSE, OTHER, NEW, EMPTY = (f"01a20320-a200-7000-989e-00000000000{n}" for n in range(6))
COLUMNS = "workspace_id, expense_id, position, spent_on, category_id, amount_minor, note"


def line(position: int, minor: int, day: str = "2026-11-22") -> str:
    values = f"'{WORKSPACE}', '{EXPENSE}', {position}, '{day}', NULL, {minor}, ''"
    return f"INSERT INTO expense_line ({COLUMNS}) VALUES ({values})"


def expense(count: str, minor: int, expense_id: str = EXPENSE) -> str:
    return (
        "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, version, "
        f"created_by, created_at, updated_at, line_count) VALUES ('{WORKSPACE}', '{expense_id}', '2026-11-22', "
        f"{minor}, 'EUR', 'Shop', '', '{{}}', 1, '{USER}', now(), now(), {count})"
    )


@pytest.fixture
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    """To a database with an expense of 10 in lines of 6 and 4."""
    execute(
        database,
        "INSERT INTO user_account (id, email, display_name, password_hash, created_at) "
        f"VALUES ('{USER}', 'a@b', 'A', 'x', now());"
        "INSERT INTO workspace (id, name, kind, base_currency, time_zone, created_at) "
        f"VALUES ('{WORKSPACE}', 'H', 'household', 'EUR', 'UTC', now());"
        f"{expense('2', 10)}; {line(0, 6)}; {line(1, 4)}",
    )
    connection = psycopg2.connect(database)
    yield connection
    connection.close()


WRONG = [
    line(2, 0),
    line(2, 1),
    "DELETE FROM expense_line WHERE position = 1",
    "DELETE FROM expense_line",
    "UPDATE expense_line SET amount_minor = 6",
    "UPDATE expense_line SET amount_minor = 7 WHERE position = 0",
    "UPDATE expense_line SET spent_on = '2026-11-23' WHERE position = 0",
    "UPDATE expense SET amount_minor = 11",
    "UPDATE expense SET line_count = 3",
    "UPDATE expense SET line_count = NULL",
    f"{expense('NULL', 10, OTHER)}; UPDATE expense_line SET expense_id = '{OTHER}'",
    expense("2", 10, NEW),
    expense("1", 0, EMPTY),
]


@pytest.mark.parametrize("statement", WRONG)
def test_lines_that_do_not_fit_cannot_be_committed(connection: psycopg2.extensions.connection, statement: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation), connection:
        connection.cursor().execute(statement)


RIGHT = [
    "UPDATE expense_line SET amount_minor = amount_minor + 1; UPDATE expense SET amount_minor = 12",
    f"{line(2, -3)}; UPDATE expense SET amount_minor = 7, line_count = 3",
    "DELETE FROM expense_line; UPDATE expense SET line_count = NULL",
    "UPDATE expense_line SET amount_minor = 10 - amount_minor",
    "UPDATE expense_line SET position = position + 1 WHERE position = 1",
    "DELETE FROM expense",
    "DELETE FROM workspace",
]


@pytest.mark.parametrize("statement", RIGHT)
def test_lines_may_change_one_after_another_within_a_transaction(
    connection: psycopg2.extensions.connection, statement: str
) -> None:
    with connection:
        connection.cursor().execute(statement)


def test_lines_move_with_their_expense_to_another_day(connection: psycopg2.extensions.connection) -> None:
    cursor = connection.cursor()
    with connection:
        cursor.execute("UPDATE expense SET spent_on = '2025-01-01'")
    cursor.execute("SELECT DISTINCT spent_on::text FROM expense_line")
    assert cursor.fetchall() == [("2025-01-01",)]


@pytest.mark.parametrize("second_isolation", [ISOLATION_LEVEL_READ_COMMITTED, ISOLATION_LEVEL_REPEATABLE_READ])
@pytest.mark.parametrize("first_isolation", [ISOLATION_LEVEL_READ_COMMITTED, ISOLATION_LEVEL_REPEATABLE_READ])
def test_two_who_change_different_lines_at_once_cannot_both_commit(
    connection: psycopg2.extensions.connection, database: str, *, first_isolation: int, second_isolation: int
) -> None:
    """Each sees its own change only, with which the sum is right: write skew, if nothing is done about it."""
    connection.set_isolation_level(first_isolation)
    other = psycopg2.connect(database)
    other.set_isolation_level(second_isolation)
    first, second = connection.cursor(), other.cursor()
    refused: list[Exception] = []
    try:
        second.execute("SELECT 1")  # a snapshot from before the first commits, where that counts
        # Each takes 1 from a line of its own and the expense's amount stays: only a line more makes up for it.
        first.execute(f"UPDATE expense_line SET amount_minor = 5 WHERE position = 0; {line(2, 1)}")
        first.execute("UPDATE expense SET line_count = 3; SET CONSTRAINTS ALL IMMEDIATE")
        change = f"UPDATE expense_line SET amount_minor = 3 WHERE position = 1; {line(3, 1)}"
        waiting = threading.Thread(target=_commit, args=(other, change, refused))
        waiting.start()
        connection.commit()
        waiting.join(10)
        assert not waiting.is_alive()
        assert len(refused) == 1
    finally:
        other.close()
    first.execute("SELECT (SELECT amount_minor FROM expense), sum(amount_minor) FROM expense_line")
    assert first.fetchone() == (10, 10)


def test_two_who_change_lines_only_at_once_cannot_both_commit(
    connection: psycopg2.extensions.connection, database: str
) -> None:
    """Neither touches the expense, both keep the number of lines and, as far as each can see, the sum."""
    with connection:
        connection.cursor().execute(f"{line(2, 5)}; {line(3, 5)}; UPDATE expense SET line_count = 4, amount_minor = 20")
    other = psycopg2.connect(database)
    for each in (connection, other):
        each.set_isolation_level(ISOLATION_LEVEL_REPEATABLE_READ)
        each.cursor().execute("SELECT count(*) FROM expense_line")
    refused: list[Exception] = []
    try:
        connection.cursor().execute("DELETE FROM expense_line WHERE position = 2; " + line(8, 5))
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        change = f"DELETE FROM expense_line WHERE position = 3; {line(9, 5)}"
        waiting = threading.Thread(target=_commit, args=(other, change, refused))
        waiting.start()
        connection.commit()
        waiting.join(10)
        assert [type(each) for each in refused] == [psycopg2.errors.SerializationFailure]
    finally:
        other.close()


def _commit(connection: psycopg2.extensions.connection, statement: str, refused: list[Exception]) -> None:
    try:
        connection.cursor().execute(statement)
        connection.commit()
    except psycopg2.Error as error:
        refused.append(error)


def test_an_expense_without_lines_queues_no_check(connection: psycopg2.extensions.connection) -> None:
    """A deferred check that fails for everything fails for none of these: they are never looked at."""
    cursor = connection.cursor()
    with connection:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION expense_line_sum() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'looked'; END $$"
        )
        plain = str(uuid4())
        cursor.execute(expense("NULL", 10, plain))
    with connection:
        cursor.execute(
            f"UPDATE expense SET amount_minor = 11, line_count = NULL, spent_on = '2026-01-01' WHERE id = '{plain}'"
        )
