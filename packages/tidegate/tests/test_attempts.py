"""A revision that did not get its locks is rolled back and repeated whole, within a budget."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest
from application import ADD_COLUMN, HIDDEN, WAITING, holding
from projects import BIN, finish, until

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep

TIDEGATE = str(BIN / "tidegate")


def test_a_revision_that_did_not_get_its_lock_is_repeated_whole(accounts: Project) -> None:
    accounts.add("a", f'op.execute("CREATE TABLE t_a (id int)"); {HIDDEN}')
    with holding(accounts) as pid:
        process = accounts.start([TIDEGATE, "upgrade"])
        until(lambda: accounts.query(WAITING))
        time.sleep(0.5)
    result = finish(process)
    assert result.code == 0, result.err
    assert "a was rolled back: canceling statement due to lock timeout" in result.err
    assert f"pid {pid} (`report` of postgres" in result.err
    assert accounts.query("SELECT attempts > 1, outcome FROM tidegate.run") == [(True, "succeeded")]
    assert accounts.query("SELECT id FROM tidegate.revision") == [("a",)]


@pytest.mark.parametrize("body", [ADD_COLUMN, HIDDEN], ids=["plain", "hidden"])
def test_when_the_time_is_spent_it_says_who_is_in_the_way_and_how_to_end_it(accounts: Project, body: str) -> None:
    accounts.add("a", body)
    with holding(accounts) as pid:
        result = accounts.tidegate("upgrade", "--retry-for", "1s")
        assert result.code == 10
        assert "revision `a` did not get its locks in 1" in result.err
        assert f"in the way: pid {pid} (`report` of postgres, open for" in result.err
        assert accounts.at() == []
        command = re.search(r"`(SELECT pg_terminate_backend\(\d+\))`", result.err)
        assert command is not None
        accounts.query(command.group(1))
        assert accounts.tidegate("upgrade").code == 0
    assert accounts.outcomes() == ["failed", "succeeded"]


def test_the_number_of_attempts_is_bounded(accounts: Project) -> None:
    accounts.add("a", HIDDEN)
    with holding(accounts):
        result = accounts.tidegate("upgrade", "--retry-attempts", "1")
    assert result.code == 10
    assert "and 1 attempt and was rolled back" in result.err


def test_what_is_committed_and_cannot_happen_twice_stops_the_run_with_its_name(accounts: Project) -> None:
    block = 'with op.get_context().autocommit_block():\n        op.execute("CREATE TEMP TABLE half (id int)")'
    accounts.add("a", f"{block}\n    {HIDDEN}")
    with holding(accounts):
        result = accounts.tidegate("upgrade")
    assert result.code == 10
    assert "failed after part of it was committed" in result.err
    assert "committed: CREATE TEMP TABLE half (id int)" in result.err
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(1,)]


@pytest.mark.parametrize("sql", ["CREATE TABLE half (id int)", "CREATE TABLE IF NOT EXISTS half (id int)"])
def test_what_is_committed_and_need_not_happen_twice_does_not_stop_the_run(accounts: Project, sql: str) -> None:
    accounts.add("a", f'with op.get_context().autocommit_block():\n        op.execute("{sql}")\n    {HIDDEN}')
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        until(lambda: accounts.query(WAITING))
        time.sleep(0.5)
    result = finish(process)
    assert result.code == 0, result.err
    assert accounts.query("SELECT attempts > 1 FROM tidegate.run") == [(True,)]


def test_a_relative_target_is_not_overrun_by_a_second_attempt(accounts: Project) -> None:
    accounts.add_table("a")
    accounts.add("b", HIDDEN, down="a")
    accounts.add_table("c", down="b")
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade", "+2"])
        until(lambda: accounts.query(WAITING))
        time.sleep(0.5)
    result = finish(process)
    assert result.code == 0, result.err
    assert accounts.at() == ["b"]


def test_a_deadlock_is_repeated_too(accounts: Project) -> None:
    accounts.add(
        "a",
        'op.execute("ALTER TABLE account ADD COLUMN x int"); op.execute("SELECT pg_sleep(0.3)"); '
        "op.execute(\"DO $$BEGIN EXECUTE 'ALTER TABLE payment ADD COLUMN x int'; END$$\")",
    )
    other = psycopg2.connect(accounts.url, application_name="other")
    cursor = other.cursor()
    process = accounts.start([TIDEGATE, "upgrade", "--lock-timeout", "8s"])
    until(accounts.sleepers)
    cursor.execute("LOCK TABLE payment")
    until(lambda: accounts.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'payment'::regclass"))
    cursor.execute("SELECT * FROM account")
    other.commit()
    other.close()
    result = finish(process)
    assert result.code == 0, result.err
    assert "deadlock detected" in result.err
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(2,)]


@pytest.mark.parametrize("body", [ADD_COLUMN, HIDDEN], ids=["before", "between"])
def test_a_signal_ends_the_waiting_and_is_recorded(accounts: Project, body: str) -> None:
    accounts.add("a", body)
    with holding(accounts) as pid:
        process = accounts.start([TIDEGATE, "upgrade"])
        said = process.stderr
        assert said is not None
        until(lambda: f"pid {pid} (`report`" in said.readline(), what="it says whom it waits for")
        process.send_signal(signal.SIGTERM)
        result = finish(process, timeout=6)
    assert result.code == 143
    assert accounts.outcomes() == ["interrupted"]
    assert accounts.at() == []
