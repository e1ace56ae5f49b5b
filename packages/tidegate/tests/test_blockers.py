"""Who is in the way, asked on a connection of its own: every mode, every way to hold a table, and nobody else."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest
from application import holding
from conftest import execute
from projects import until

from tidegate.database.blockers import (
    CONFLICTS,
    Blocker,
    awaited_lock,
    blockers_of,
    cancel_autovacuum,
    find_blockers,
    holds_others_up,
)
from tidegate.sql.effects import Relation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project
    from tools.postgres import Cluster

STRONG = "AccessExclusiveLock"
MODES = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}


def found(
    project: Project, mode: str = STRONG, name: str = "account", schema: str | None = "public", age: float = 0
) -> list[Blocker]:
    with project.connection() as control:
        return find_blockers(control, [Relation(schema, name, mode)], older_than_s=age)


def test_the_modes_that_conflict_are_those_that_postgresql_refuses(accounts: Project) -> None:
    with accounts.connection() as control, control.cursor() as cursor:
        for held, words in MODES.items():
            with holding(accounts, f"LOCK TABLE account IN {words} MODE"):
                for wanted, others in MODES.items():
                    cursor.execute("BEGIN")
                    try:
                        cursor.execute(f"LOCK TABLE account IN {others} MODE NOWAIT")
                        is_refused = False
                    except psycopg2.errors.LockNotAvailable:
                        is_refused = True
                    cursor.execute("ROLLBACK")
                    blockers = find_blockers(control, [Relation("public", "account", wanted)], older_than_s=0)
                    assert bool(blockers) is is_refused is (held in CONFLICTS[wanted]), (held, wanted)


def test_a_blocker_has_all_that_people_need_to_know(accounts: Project) -> None:
    with holding(accounts, "SELECT count(*) FROM account", name="report") as pid:
        (blocker,) = found(accounts)
    assert blocker[:4] == (pid, "report", "postgres", "idle in transaction")
    assert blocker.age_s is not None
    assert 0 <= blocker.age_s < 5
    assert blocker[5:9] == ("SELECT count(*) FROM account", "account", "AccessShareLock", False)
    assert blocker.transaction
    assert blocker.end_command == f"SELECT pg_terminate_backend({pid})"


def test_only_transactions_of_that_age_and_of_others_count(accounts: Project) -> None:
    with holding(accounts) as pid:
        assert found(accounts, age=30) == []
        with accounts.connection() as control:
            wanted = [Relation("public", "account", STRONG)]
            assert find_blockers(control, wanted, older_than_s=0, except_pids=[pid]) == []
            assert find_blockers(control, wanted, older_than_s=0, except_pids=[pid + 1]) != []
            assert find_blockers(control, [], older_than_s=0) == []
            assert find_blockers(control, [Relation(None, "account", "no mode")], older_than_s=0) == []


def test_names_are_found_where_the_session_finds_them(accounts: Project) -> None:
    accounts.query("CREATE SCHEMA other; CREATE TABLE other.account (id int)")
    wanted = [Relation(None, "account", STRONG)]
    with holding(accounts, "SELECT * FROM other.account"), accounts.connection() as control:

        def by(*path: str) -> int:
            return len(find_blockers(control, wanted, older_than_s=0, search_path=path))

        assert [by(), by("public"), by("other"), by("public", "other"), by("other", "public")] == [0, 0, 1, 0, 1]
        assert found(accounts, schema="other") != []
        assert found(accounts, schema="public") == []
        assert found(accounts, name="nowhere") == []


def test_children_and_the_table_of_an_index_are_locked_too(accounts: Project) -> None:
    accounts.query("CREATE TABLE whole (id int) PARTITION BY RANGE (id); CREATE INDEX n ON account (n)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    with holding(accounts, "SELECT * FROM part WHERE id = 1"):
        assert [blocker.relation for blocker in found(accounts, name="whole")] == ["part"]
    with holding(accounts, "SELECT 1 FROM account LIMIT 0"):
        assert {blocker.relation for blocker in found(accounts, name="n")} == {"account", "n"}


def test_another_database_is_nobodys_concern(accounts: Project, server: Cluster) -> None:
    execute(server.url, "CREATE TABLE IF NOT EXISTS account (id int)")
    connection = psycopg2.connect(server.url)
    connection.cursor().execute("LOCK TABLE account")
    assert found(accounts) == []
    connection.close()


def test_whoever_may_not_be_seen_is_found_without_an_age(accounts: Project) -> None:
    role = f"blind_{accounts.url.rpartition('_')[2]}"
    accounts.query(f"CREATE ROLE {role} LOGIN")
    blind = psycopg2.connect(accounts.url.replace("postgres@", f"{role}@"))
    blind.autocommit = True
    with holding(accounts) as pid:
        (blocker,) = find_blockers(blind, [Relation("public", "account", STRONG)], older_than_s=60)
    blind.close()
    accounts.query(f"DROP ROLE {role}")
    assert blocker.pid == pid
    assert blocker.age_s is None
    assert "open for" not in str(blocker)


@contextmanager
def waiting(project: Project, statement: str) -> Iterator[int]:
    """A session that waits; gives its process id."""
    connection = psycopg2.connect(project.url, application_name="waiter")
    pid = connection.info.backend_pid

    def work() -> None:
        try:
            connection.cursor().execute(statement)
        except psycopg2.Error:
            connection.rollback()

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: project.query("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", pid))
    try:
        yield pid
    finally:
        project.query("SELECT pg_cancel_backend(%s)", pid)
        thread.join()
        connection.close()


def test_a_session_that_waits_tells_for_what_and_for_whom(accounts: Project) -> None:
    accounts.query("CREATE SCHEMA other; CREATE TABLE other.thing (id int)")
    with (
        holding(accounts, "SELECT * FROM other.thing") as pid,
        waiting(accounts, "LOCK other.thing") as waiter,
        accounts.connection() as control,
    ):
        assert awaited_lock(control, waiter) == ("other", "thing", STRONG)
        (blocker,) = blockers_of(control, waiter)
        assert (blocker.pid, blocker.relation, blocker.mode) == (pid, "other.thing", "AccessShareLock")
        assert blocker.application == "report"
        assert awaited_lock(control, pid) is None
        assert blockers_of(control, pid) == []


def test_who_waits_for_a_row_waits_for_its_transaction(accounts: Project) -> None:
    update = "UPDATE account SET n = 1 WHERE id = 1"
    with holding(accounts, update) as pid, waiting(accounts, update) as waiter, accounts.connection() as control:
        assert awaited_lock(control, waiter) is None
        (blocker,) = blockers_of(control, waiter)
        assert (blocker.pid, blocker.relation) == (pid, "transactionid")


HOLDS = {
    "SELECT * FROM account": False,
    "LOCK TABLE account IN SHARE UPDATE EXCLUSIVE MODE": False,
    "CREATE TABLE new (id int)": False,
    "SELECT * FROM account FOR UPDATE": True,
    "UPDATE account SET n = 1": True,
    "CREATE INDEX ON account (n)": True,
    "ALTER TABLE account ADD COLUMN x int": True,
    "ALTER SEQUENCE s INCREMENT 2": True,
    "CREATE OR REPLACE VIEW v AS SELECT 1 AS one": True,
    "REINDEX INDEX account_pkey": True,
}


@pytest.mark.parametrize(("statement", "expected"), HOLDS.items())
def test_a_session_holds_others_up_as_soon_as_somebody_could_wait_for_it(
    accounts: Project, statement: str, *, expected: bool
) -> None:
    accounts.query("CREATE SEQUENCE s; CREATE VIEW v AS SELECT 1 AS one")
    with holding(accounts, statement) as pid, accounts.connection() as control:
        assert holds_others_up(control, [pid]) is expected
        assert holds_others_up(control, [0, pid]) is expected
        assert not holds_others_up(control, [])


def test_nobody_is_sent_away_who_is_no_autovacuum_and_nobody_waits(accounts: Project) -> None:
    accounts.query("CREATE VIEW v AS SELECT 1 AS one")
    with accounts.connection() as control, control.cursor() as cursor:
        cursor.execute("SET deadlock_timeout = '50ms'; SET lock_timeout = '77s'")
        with holding(accounts, "LOCK TABLE account IN SHARE MODE"):
            began = time.monotonic()
            cancel_autovacuum(control, "account")
            assert 0.4 < time.monotonic() - began < 5
        cancel_autovacuum(control, "account")
        cancel_autovacuum(control, "v")
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchall() == [("77s",)]
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'account'::regclass")
        assert cursor.fetchall() == [(0,)]


def blocker(**facts: object) -> Blocker:
    plain = Blocker(7, "app", "ann", "active", 3.0, "SELECT 1", "account", "AccessShareLock")
    return plain._replace(**facts)  # type: ignore[arg-type]  # any of its fields


def test_a_blocker_is_told_in_one_line_without_secrets() -> None:
    line = "pid 7 (`app` of ann, open for 3.00 s) holds AccessShareLock on account: SELECT 1"
    assert str(blocker()) == line
    assert str(blocker(state="idle")) == line.replace("3.00 s)", "3.00 s, idle)")
    assert str(blocker(user=None)) == line.replace(" of ann", "")
    assert str(blocker(query=None)) == str(blocker(query="")) == line.removesuffix(": SELECT 1")
    assert str(blocker(age_s=None)) == line.replace(", open for 3.00 s", "")
    assert str(blocker(query="a\n  b")).endswith(": a b")
    assert str(blocker(query="x" * 80)).endswith(": " + "x" * 80)
    assert str(blocker(query="x" * 81)).endswith(": " + "x" * 80 + "…")
    assert "hunter2" not in str(blocker(query="ALTER ROLE ann PASSWORD 'hunter2'"))


def test_a_prepared_transaction_has_no_process_and_an_end_of_its_own() -> None:
    prepared = blocker(pid=None, application="it's")
    assert str(prepared).startswith("transaction (`it's` of ann")
    assert prepared.end_command == "ROLLBACK PREPARED 'it''s'"
