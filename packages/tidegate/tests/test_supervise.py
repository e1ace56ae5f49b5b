"""The parent of a worker, in this process, with a real worker: what it says, and how it ends when something is lost."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from application import holding
from projects import until

import tidegate
from tidegate.run import supervise
from tidegate.run.clearance import Clearance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from projects import Project

    from tidegate.run.clearance import Question
    from tidegate.worker.dialogue import Answer

SLEEP = 'op.execute("CREATE TABLE t_a (id int)"); op.execute("SELECT pg_sleep(60)")'
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
        until(lambda: Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z", what="it is dead, and not yet missed")
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


def test_an_index_is_told_at_each_phase_of_its_build(accounts: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "PING_EVERY_S", 0.1)
    accounts.add(
        "a", "with op.get_context().autocommit_block(): op.execute('CREATE INDEX CONCURRENTLY i ON account (n)')"
    )
    told: list[str] = []
    with holding(accounts, "INSERT INTO account VALUES (3)") as pid:

        def tell(line: str) -> None:
            told.append(line)
            if line.startswith("    building for "):
                accounts.query("SELECT pg_terminate_backend(%s)", pid)

        upgrade(accounts, tell)
    (line,) = (line for line in told if line.startswith("    building for "))
    assert "waiting for writers before the build" in line
    assert f"pid {pid} (`report`" in line
