"""The parent of a worker, in this process, with a real worker: what it says, and how it ends when something is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from application import columns, holding
from projects import until

import tidegate
from tidegate.run import supervise
from tidegate.run.clearance import Clearance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from projects import Project

    from tidegate.run.clearance import Question
    from tidegate.worker.dialogue import Answer

pytestmark = pytest.mark.deep

SLEEP = 'op.execute("CREATE TABLE t_a (id int)"); op.execute("SELECT pg_sleep(60)")'
IN_BLOCK = "with op.get_context().autocommit_block(): op.execute('{}')"
LOOPING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
    "AND query LIKE 'DO $$ BEGIN LOOP%'"
)
CONTROL = "application_name LIKE 'tidegate control%%' AND datname = current_database()"


def upgrade(project: Project, tell: Callable[[str], None] = lambda _: None) -> None:
    """A run whose parent is this process."""
    tidegate.upgrade(str(project.folder / "alembic.ini"), database_url=project.url, tell=tell)


def end_control(project: Project) -> None:
    """The server ends the connection that holds the lock."""
    project.query(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {CONTROL}")


def assert_nothing_is_left(project: Project) -> None:
    until(lambda: not project.sleepers(), timeout=5, what="the server has noticed")
    assert project.query("SELECT to_regclass('t_a')") == [(None,)]


@pytest.fixture
def sleepy(project: Project) -> Project:
    """A project whose revision would take a minute."""
    project.add("a", SLEEP)
    return project


@contextmanager
def when_at_work(project: Project, act: Callable[[], None]) -> Iterator[Callable[[str], None]]:
    """A `tell` that acts as soon as the revision is announced."""

    def tell(line: str) -> None:
        if line.startswith("[1/1]"):
            act()

    began = time.monotonic()
    yield tell
    assert time.monotonic() - began < 30, "the revision would take a minute"
    assert_nothing_is_left(project)


def test_a_worker_is_killed_as_soon_as_the_lock_is_lost(sleepy: Project) -> None:
    with (
        when_at_work(sleepy, lambda: end_control(sleepy)) as tell,
        pytest.raises(tidegate.MigrationFailed, match="the connection that held the migration lock was lost"),
    ):
        upgrade(sleepy, tell)


def test_a_worker_is_killed_when_its_statement_cannot_be_cancelled_since_the_lock_is_lost(sleepy: Project) -> None:
    def end_both() -> None:
        end_control(sleepy)
        os.kill(os.getpid(), signal.SIGTERM)

    with when_at_work(sleepy, end_both) as tell, pytest.raises(tidegate.Interrupted, match="stopped by SIGTERM"):
        upgrade(sleepy, tell)


def test_a_worker_does_not_outlive_a_parent_that_fails(sleepy: Project) -> None:
    def fail() -> None:
        raise BrokenPipeError("nobody reads what we tell")

    with when_at_work(sleepy, fail) as tell, pytest.raises(BrokenPipeError):
        upgrade(sleepy, tell)


def is_dead(pid: int) -> bool:
    """A zombie with no thread left: its end of every pipe is closed."""
    process = Path(f"/proc/{pid}")
    return (process / "stat").read_text().split()[2] == "Z" and len([*(process / "task").iterdir()]) == 1


def test_an_answer_that_nobody_hears_any_more_is_no_failure_of_its_own(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "worker"
    project.add("a", f'__import__("pathlib").Path("{told}").write_text(str(__import__("os").getpid())); {SLEEP}')
    plain = Clearance.consider

    def consider(clearance: Clearance, question: Question) -> Answer | None:
        answer = plain(clearance, question)
        worker = int(told.read_text())
        os.kill(worker, signal.SIGKILL)
        until(lambda: is_dead(worker), what="it is dead, and not yet missed")
        return answer

    monkeypatch.setattr(Clearance, "consider", consider)
    with when_at_work(project, lambda: None) as tell, pytest.raises(tidegate.MigrationFailed, match="the worker ended"):
        upgrade(project, tell)


def test_a_long_statement_is_told_again_and_again_with_whom_it_waits_for(
    accounts: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(supervise, "REPORT_EVERY_S", 0.3)
    accounts.add("a", 'op.execute("SET lock_timeout = \'30s\'"); op.execute("LOCK TABLE account")')
    told: list[str] = []
    with holding(accounts) as pid:

        def tell(line: str) -> None:
            told.append(line)
            if sum("waits for" in line for line in told) == 2:
                accounts.query("SELECT pg_terminate_backend(%s)", pid)

        upgrade(accounts, tell)
    again = [line for line in told if line.startswith("    still running after ")]
    waits = [line for line in told if line.startswith(f"      waits for pid {pid} (`report` of postgres")]
    assert len(again) >= len(waits) >= 2
    assert all(line.endswith(" s: LOCK TABLE account") for line in again)


def test_an_index_is_told_at_each_phase_of_its_build_and_again_after_a_while(
    accounts: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(supervise, "REPORT_EVERY_S", 0.5)
    accounts.add("a", IN_BLOCK.format("CREATE INDEX CONCURRENTLY i ON account (n)"))
    told: list[str] = []
    with holding(accounts, "INSERT INTO account VALUES (3)") as pid:

        def tell(line: str) -> None:
            told.append(line)
            if sum("waiting for writers" in line for line in told) == 2:
                accounts.query("SELECT pg_terminate_backend(%s)", pid)

        upgrade(accounts, tell)
    lines = [line for line in told if line.startswith("    building for ") and "waiting for writers" in line]
    assert len(lines) == 2, "not at every look"
    assert all(f"pid {pid} (`report`" in line for line in lines)


def test_what_runs_alone_and_has_no_progress_is_told_as_others_are(
    accounts: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(supervise, "REPORT_EVERY_S", 0.3)
    accounts.query("CREATE INDEX i ON account (n)")
    accounts.add("a", IN_BLOCK.format("DROP INDEX CONCURRENTLY i"))
    told: list[str] = []
    with holding(accounts) as pid:

        def tell(line: str) -> None:
            told.append(line)
            if "waits for" in line:
                accounts.query("SELECT pg_terminate_backend(%s)", pid)

        upgrade(accounts, tell)
    assert any(line.endswith(" s: DROP INDEX CONCURRENTLY i") for line in told)
    assert any(line.startswith(f"      waits for pid {pid} (`report`") for line in told)


def test_a_worker_that_is_not_connected_yet_is_stopped_without_a_question(project: Project) -> None:
    project.write_env(top="import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)")
    project.add("a", SLEEP)
    began = time.monotonic()
    with pytest.raises(tidegate.Interrupted, match="stopped by SIGTERM"):
        upgrade(project)
    assert time.monotonic() - began < 30
    assert_nothing_is_left(project)


def test_what_a_failed_run_committed_is_left_out_and_told(accounts: Project) -> None:
    accounts.add("a", IN_BLOCK.format("INSERT INTO payment VALUES (1)") + '; op.execute("SELECT * FROM missing")')
    with pytest.raises(tidegate.MigrationFailed, match="missing"):
        upgrade(accounts)
    assert accounts.query("SELECT id FROM payment") == [(1,)]
    accounts.query("CREATE TABLE missing ()")
    told: list[str] = []
    upgrade(accounts, told.append)
    assert "    1 of its statements were committed before and are left out" in told
    assert accounts.query("SELECT id FROM payment") == [(1,)]


def test_a_run_that_waits_for_others_is_told_no_and_ends_when_it_is_stopped(accounts: Project) -> None:
    accounts.add("a", 'op.execute("ALTER TABLE account ADD COLUMN x int")')
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if "in the way:" in line:
            os.kill(os.getpid(), signal.SIGTERM)

    with holding(accounts):
        time.sleep(0.15)
        with pytest.raises(tidegate.Interrupted, match="stopped by SIGTERM"):
            upgrade(accounts, tell)
    assert told[-1] == "stopping: cancelling the statement on the server"
    assert "x" not in columns(accounts)


def test_a_statement_that_shrugs_off_being_cancelled_is_ended_with_its_worker(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "STOP_TIMEOUT_S", 0.5)
    loop = "LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP"
    project.add("a", f'op.execute("CREATE TABLE t_a (id int)"); op.execute("DO $$ BEGIN {loop}; END $$")')

    def stop_in_the_loop() -> None:
        until(lambda: project.query(LOOPING), what="it loops")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_in_the_loop)
    with (
        when_at_work(project, thread.start) as tell,
        pytest.raises(tidegate.Interrupted, match="stopped by SIGTERM"),
    ):
        upgrade(project, tell)
    thread.join()
    until(lambda: not project.query(LOOPING), timeout=5, what="the server has noticed")
