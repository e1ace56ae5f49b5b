"""What a worker is answered, by how things stand on the server."""

from __future__ import annotations

import time

import psycopg2
import pytest
from application import holding
from bench import ALTER, BUILD, NO_LIMITS, answered, bench
from projects import Project

from tidegate.database.lock import FENCE
from tidegate.run.clearance import Question
from tidegate.run.pace import Pace


def test_with_nobody_in_the_way_it_goes_with_the_timeout(accounts: Project) -> None:
    with bench(accounts) as at:
        answer = answered(at.ask(ALTER))
        assert (answer.verdict, answer.settings) == ("go", {"lock_timeout": "100ms"})
        assert (answer.is_plain, answer.ends_transaction, answer.is_repeatable) == (True, False, False)
        assert at.told == []
        assert at.clearance.patience.waited_s == 0
        assert not at.clearance.runs_alone


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE IF NOT EXISTS t (id int)", (True, False, True)),
        ("SELECT 1; COMMIT", (False, True, False)),
        ("CALL p()", (False, False, False)),
        ("DO $$BEGIN COMMIT; END$$", (False, False, False)),
        ("DO $$BEGIN PERFORM 1; END$$", (True, False, False)),
        ("ALTER TABLE account ADD COLUMN commit int", (True, False, False)),
        ("no SQL at all", (False, False, False)),
    ],
)
def test_an_answer_says_how_the_statement_may_be_sent(
    accounts: Project, sql: str, expected: tuple[bool, bool, bool]
) -> None:
    with bench(accounts) as at:
        answer = answered(at.ask(sql))
        assert (answer.is_plain, answer.ends_transaction, answer.is_repeatable) == expected


def test_somebody_old_in_the_way_is_waited_for_told_and_then_given_up(accounts: Project) -> None:
    with holding(accounts) as pid, bench(accounts, Pace(retry_for_s=10)) as at:
        time.sleep(0.15)
        question = Question(ALTER, at.pid, autocommit=False)
        assert at.clearance.consider(question) is None
        assert at.clearance.consider(question) is None
        assert at.told[0] == f"    waiting before `{ALTER}` (0.00 s of 10 s); in the way:"
        assert at.told[1].startswith(f"      pid {pid} (`report` of postgres")
        assert len(at.told) == 2, "not twice within ten seconds"
        assert [blocker.pid for blocker in at.clearance.blockers] == [pid]
        assert not at.clearance.is_clear()
        at.now += 10
        answer = answered(at.clearance.consider(question))
        assert (answer.verdict, answer.is_final) == ("stop", True)
        assert answer.why == "another transaction was in its way all the time"
    assert at.clearance.refusal is None


def test_somebody_young_is_not_waited_for(accounts: Project) -> None:
    with bench(accounts, Pace(lock_timeout_s=5.0)) as at, holding(accounts):
        assert answered(at.ask(ALTER)).verdict == "go"
        assert at.clearance.is_clear()


def test_when_the_way_is_clear_again_it_goes(accounts: Project) -> None:
    with bench(accounts) as at:
        question = Question(ALTER, at.pid, autocommit=False)
        with holding(accounts):
            time.sleep(0.15)
            assert at.clearance.consider(question) is None
        assert answered(at.clearance.consider(question)).verdict == "go"
        assert at.clearance.is_clear()
        at.clearance.forget_wants()
        with holding(accounts):
            time.sleep(0.15)
            assert at.clearance.is_clear(), "what the last revision wanted is not wanted any more"


def test_who_holds_others_up_does_not_wait(accounts: Project) -> None:
    with holding(accounts, "SELECT * FROM payment"), bench(accounts) as at:
        time.sleep(0.15)
        at.send(ALTER)
        answer = answered(at.ask("ALTER TABLE payment ADD COLUMN x int"))
        assert (answer.verdict, answer.is_final) == ("stop", False)
        assert answer.why == "another transaction is in its way"


def test_all_that_wait_while_a_lock_is_held_share_the_timeout(accounts: Project) -> None:
    with bench(accounts, Pace(lock_timeout_s=5.0)) as at:
        at.send(ALTER)
        first = answered(at.ask("ALTER TABLE payment ADD COLUMN x int")).settings["lock_timeout"]
        time.sleep(0.3)
        second = answered(at.ask("ALTER TABLE payment ADD COLUMN y int")).settings["lock_timeout"]
        assert int(first.removesuffix("ms")) - int(second.removesuffix("ms")) >= 250
        at.worker.rollback()
        at.clearance.begin_revision()
        assert answered(at.ask(ALTER)).settings == {"lock_timeout": "5000ms"}


def test_another_connection_of_the_migration_is_not_waited_for(accounts: Project) -> None:
    with bench(accounts) as at, holding(accounts, f"SELECT pg_advisory_lock_shared({FENCE}) FROM account"):
        answer = answered(at.ask(ALTER))
        assert (answer.verdict, answer.is_final) == ("stop", True)
        assert "waits for another connection of the same migration: pid" in answer.why
        assert at.clearance.refusal is not None
        assert "commit or close that connection" in at.clearance.refusal.hint


def test_what_the_author_or_the_operator_says_of_the_timeout_is_left_alone(accounts: Project) -> None:
    with holding(accounts), bench(accounts) as at:
        time.sleep(0.15)
        assert answered(at.ask("SET lock_timeout = '3s'")).settings == {}
        assert answered(at.ask(ALTER)) == answered(at.ask(ALTER))._replace(verdict="go", settings={})
        at.clearance.begin_revision()
        assert at.ask(ALTER) is None
    with holding(accounts), bench(accounts, Pace(lock_timeout_s=0)) as at:
        time.sleep(0.15)
        assert answered(at.ask(ALTER)).settings == {}


def test_what_blocks_nobody_has_no_limit(accounts: Project) -> None:
    accounts.query("ALTER TABLE account ADD CONSTRAINT positive CHECK (n >= 0) NOT VALID")
    validate = "ALTER TABLE account VALIDATE CONSTRAINT positive"
    with bench(accounts) as at:
        assert answered(at.ask(validate)).settings == {"lock_timeout": "0"}
        assert not at.clearance.runs_alone
        answer = answered(at.ask(BUILD, autocommit=True))
        assert (answer.verdict, answer.settings, answer.first) == ("go", NO_LIMITS, ())
        assert at.clearance.runs_alone
        assert answered(at.ask(BUILD)).settings == {}, "in a transaction the server refuses it in its own words"
        at.send(ALTER)
        assert answered(at.ask(validate)).settings["lock_timeout"].endswith("ms")


def test_what_a_statement_hides_is_seen_while_it_waits(accounts: Project) -> None:
    with holding(accounts) as pid, bench(accounts) as at:
        time.sleep(0.15)
        assert answered(at.ask("SELECT hidden()")).verdict == "go"
        at.clearance.watch(at.pid)
        assert at.clearance.blockers == []
        at.worker.rollback()
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            at.send("SET lock_timeout = '1ms'; LOCK TABLE account")
        assert at.clearance.is_clear()
        assert pid


def test_the_same_statement_once_more_is_another_one(accounts: Project) -> None:
    with bench(accounts) as at:
        for _ in range(2):
            at.ask("INSERT INTO payment VALUES (1)", autocommit=True)
            at.clearance.trace.executed(autocommit=True)
        assert len(at.clearance.trace.committed) == 2


@pytest.mark.parametrize("length", [60, 61])
def test_a_long_statement_is_told_by_its_first_sixty_characters(accounts: Project, length: int) -> None:
    sql = ALTER.replace(" x ", f" {'x' * (length - len(ALTER) + 1)} ")
    assert len(sql) == length
    with holding(accounts), bench(accounts) as at:
        time.sleep(0.15)
        assert at.ask(f"  {sql}") is None
        shown = sql if length == 60 else f"{sql[:60]}…"
        assert at.told[0].startswith(f"    waiting before `{shown}` (")


def test_whose_age_is_hidden_counts_from_when_it_was_first_seen(accounts: Project) -> None:
    role = f"blind_{accounts.url.rpartition('_')[2]}"
    accounts.query(f"CREATE ROLE {role} LOGIN")
    blind = Project(accounts.folder, accounts.url.replace("postgres@", f"{role}@"))
    question = Question(ALTER, 0, autocommit=False)
    with bench(blind) as at:
        with holding(accounts) as pid:
            assert at.clearance.consider(question) is None, "it may have been there for long"
            assert (at.clearance.blockers, at.told) == ([], [])
            time.sleep(0.15)
            assert at.clearance.consider(question) is None
            assert at.told[1].startswith(f"      pid {pid} (`report` of postgres, open for 0.")
            assert not at.clearance.is_clear()
        assert at.clearance.is_clear()
        assert answered(at.clearance.consider(question)).verdict == "go"
    with bench(blind, Pace(lock_timeout_s=60)) as at, holding(accounts):
        assert at.clearance.consider(question) is None
        assert answered(at.clearance.consider(question)).verdict == "go", "it is young as far as we saw"
        assert at.clearance.is_clear()
    accounts.query(f"DROP ROLE {role}")
