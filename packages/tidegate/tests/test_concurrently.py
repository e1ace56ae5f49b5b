"""What is looked at before a statement with CONCURRENTLY is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from application import holding
from bench import BUILD, answered, bench

from tidegate.database.connect import backend_pid
from tidegate.database.lock import FENCE
from tidegate.index.concurrently import prepare
from tidegate.run.pace import Pace
from tidegate.sql.effects import read_statements

if TYPE_CHECKING:
    from projects import Project


def test_an_index_is_looked_at_before_it_is_built(accounts: Project) -> None:
    accounts.query("CREATE INDEX i ON account (n)")
    with bench(accounts) as at:
        assert answered(at.ask(BUILD, autocommit=True)).verdict == "skip"
        assert at.told[-1].endswith(": skipped")
        answer = answered(at.ask("CREATE INDEX CONCURRENTLY i ON account (id)", autocommit=True))
        assert (answer.verdict, answer.is_final) == ("stop", True)
        assert at.clearance.refusal is not None
        assert at.clearance.refusal.reason == answer.why


def test_a_table_that_is_held_exclusively_is_waited_for_within_the_budget(accounts: Project) -> None:
    accounts.query("CREATE INDEX i ON account (n)")
    with bench(accounts, Pace(retry_for_s=10)) as at, holding(accounts, "LOCK TABLE account"):
        assert at.ask(BUILD, autocommit=True) is None
        assert "somebody holds `account` exclusively" in at.told[-1]
        at.now += 10
        answer = answered(at.ask(BUILD, autocommit=True))
        assert (answer.verdict, answer.why, answer.is_final) == ("stop", at.told[-1].strip(), True)


def test_a_session_that_sees_a_snapshot_keeps_an_index_build_from_beginning(accounts: Project) -> None:
    (statement,) = read_statements(BUILD) or ()
    with bench(accounts) as at:
        other = psycopg2.connect(accounts.url)
        other.set_session(isolation_level="REPEATABLE READ")
        other.cursor().execute(f"SELECT pg_advisory_lock_shared({FENCE})")

        def found(pid: int) -> Any:  # noqa: ANN401 - a preparation
            return prepare(at.control, statement, pid=pid, search_path=["public"], is_repetition=False)

        preparation = found(at.pid)
        assert preparation.verdict == "refuse"
        assert f"(pid {backend_pid(other)})" in preparation.reason
        assert "commit or close that connection" in preparation.hint
        assert found(backend_pid(other)).verdict == "go"
        other.close()


@pytest.mark.parametrize(
    ("setup", "sql", "is_repetition", "expected"),
    [
        ("", "DROP INDEX CONCURRENTLY i", False, "go"),
        ("", "DROP INDEX CONCURRENTLY i", True, "skip"),
        ("CREATE INDEX i ON account (n)", "DROP INDEX CONCURRENTLY i", True, "go"),
        ("CREATE INDEX i ON account (n)", "REINDEX INDEX CONCURRENTLY i", True, "go"),
        ("", "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY", False, "go"),
        ("", "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY", True, "go"),
        (
            "ALTER TABLE whole DETACH PARTITION part",
            "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY",
            True,
            "skip",
        ),
        ("", "VACUUM account", True, "go"),
    ],
)
def test_what_is_done_already_is_skipped_only_when_it_may_have_been_us(
    accounts: Project, setup: str, sql: str, *, is_repetition: bool, expected: str
) -> None:
    accounts.query("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    if setup:
        accounts.query(setup)
    with bench(accounts) as at:
        at.clearance.is_repetition = is_repetition
        assert answered(at.ask(sql, autocommit=True)).verdict == expected
        assert expected == "skip" or "cut off" not in " ".join(at.told)


def test_a_partition_that_the_same_revision_made_can_be_detached(accounts: Project) -> None:
    with bench(accounts) as at:
        at.ask("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
        at.ask("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
        detach = "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY"
        assert answered(at.ask(detach, autocommit=True)).verdict == "go"


def test_a_detach_that_was_cut_off_is_finished_in_place_of_being_repeated(accounts: Project) -> None:
    accounts.query("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    detach = "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY"
    with holding(accounts, "SELECT * FROM whole"), accounts.connection() as connection:
        connection.cursor().execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            connection.cursor().execute(detach)
    with bench(accounts) as at:
        answer = answered(at.ask(detach, autocommit=True))
        assert answer.verdict == "skip"
        assert list(answer.first) == ["ALTER TABLE public.whole DETACH PARTITION public.part FINALIZE"]
        assert at.told[-1] == "    an earlier DETACH was cut off after its first half: skipped"


def test_a_partition_that_is_held_exclusively_is_looked_at_later(accounts: Project) -> None:
    accounts.query("CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    with bench(accounts) as at, holding(accounts, "LOCK TABLE part"):
        assert at.ask("REINDEX TABLE CONCURRENTLY whole", autocommit=True) is None
        assert at.told[-1] == "      somebody holds the table exclusively"
