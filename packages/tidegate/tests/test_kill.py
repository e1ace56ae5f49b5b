"""A migrator may die at any instant: nothing overlaps, nothing stays locked, the next run finishes the job."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from conftest import MAJORS
from projects import DOORS, Project, finish, until

from tidegate.database.lock import LAST_POLL_S
from tidegate.run.supervise import STOP_TIMEOUT_S

if TYPE_CHECKING:
    import subprocess

LONG_S = 12.0
"""The statement that is cut off would take this long; the tests end long before."""

NEXT_RUN_WITHIN_S = 2.0
"""After a SIGKILL, the next run must be at work by then (DESIGN section 6)."""

TO_NOTICE_S = 0.8
"""On a busy machine it takes longer to start a worker; then a whole start just before is the measure, and this is what
the server and the waiting run get beside it to notice."""


def slow_project(project: Project) -> None:
    """One revision whose statement sleeps as long as table `pace` says at that moment."""
    project.query("CREATE TABLE pace (seconds float)")
    project.query(f"INSERT INTO pace VALUES ({LONG_S})")
    project.add("a", 'op.execute("SELECT pg_sleep(seconds) FROM pace"); op.execute("CREATE TABLE t_a (id int)")')


class Watch:
    """Counts, fifty times a second, the migrations at work on the server."""

    def __init__(self, project: Project) -> None:
        self.most_at_once = 0
        self.seen: dict[int, float] = {}
        self._project = project
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        with self._project.connection() as connection, connection.cursor() as cursor:
            while not self._over.is_set():
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
                    "AND query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()"
                )
                now = [row[0] for row in cursor.fetchall()]
                self.most_at_once = max(self.most_at_once, len(now))
                for pid in now:
                    self.seen.setdefault(pid, time.monotonic())
                time.sleep(0.02)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def worker_of(process: subprocess.Popen[str]) -> int:
    """Process id of the worker that this run started."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:  # noqa: PTH123 - one line of /proc
        return int(children.read().split()[0])


@pytest.mark.alone
@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize("door", ["tidegate upgrade", pytest.param("alembic upgrade head", marks=pytest.mark.deep)])
def test_after_sigkill_the_waiting_run_never_overlaps_and_starts_within_two_seconds(
    project: Project, door: str
) -> None:
    slow_project(project)
    began = time.monotonic()
    first = project.start(DOORS[door])
    (orphan,) = until(project.sleepers, what="the first run is at work")
    whole_start = time.monotonic() - began
    second = project.start(DOORS["tidegate upgrade"])
    assert second.stderr is not None
    assert "waiting for the migration lock" in second.stderr.readline()  # it has waited for a second
    time.sleep(8 * LAST_POLL_S)  # and now it makes its longest pauses
    watch = Watch(project)
    project.query("UPDATE pace SET seconds = 0.3")
    os.kill(first.pid, signal.SIGKILL)
    killed = time.monotonic()
    result = finish(second, timeout=30)
    watch.stop()
    first.communicate()
    assert result.code == 0, result.err
    (successor,) = [pid for pid in watch.seen if pid != orphan]
    assert watch.most_at_once == 1
    assert watch.seen[successor] - killed < max(NEXT_RUN_WITHIN_S, whole_start + TO_NOTICE_S)
    assert project.at() == ["a"]
    assert project.recorded() == [("a", "upgrade")]
    assert project.outcomes() == ["killed", "succeeded"]


@pytest.mark.deep
@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_what_a_killed_run_left_is_waited_for_though_the_server_does_not_notice(project: Project) -> None:
    deaf = 'op.execute("SET client_connection_check_interval = 0"); '  # as before PostgreSQL 14
    project.query("CREATE TABLE pace (seconds float); INSERT INTO pace VALUES (5)")
    project.add("a", deaf + 'op.execute("SELECT pg_sleep(seconds) FROM pace")')
    first = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the first run is at work")
    project.query("UPDATE pace SET seconds = 0.3")
    watch = Watch(project)
    os.kill(first.pid, signal.SIGKILL)
    result = project.tidegate("upgrade", timeout=40)
    watch.stop()
    first.communicate()
    assert result.code == 0, result.err
    assert (watch.most_at_once, len(watch.seen)) == (1, 2), "both have worked, one after the other"
    assert "waiting for a statement that a killed run left" in result.err


@pytest.mark.deep
@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_a_killed_worker_is_reported_and_the_next_run_finishes(project: Project) -> None:
    slow_project(project)
    first = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the first run is at work")
    os.kill(worker_of(first), signal.SIGKILL)
    result = finish(first, timeout=20)
    assert result.code == 10
    assert "ended by signal 9" in result.err
    assert project.sleepers() == []
    project.query("UPDATE pace SET seconds = 0")
    assert project.tidegate("upgrade").code == 0
    assert project.outcomes() == ["failed", "succeeded"]


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_signal_cancels_the_statement_and_records_the_interruption(
    project: Project, signum: signal.Signals, code: int
) -> None:
    slow_project(project)
    run = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the run is at work")
    os.kill(run.pid, signum)
    asked = time.monotonic()
    result = finish(run, timeout=10)
    assert result.code == code, result.err
    assert time.monotonic() - asked < STOP_TIMEOUT_S, "the statement was not cancelled; the worker had to be killed"
    assert project.sleepers() == []
    assert project.at() == []
    assert project.outcomes() == ["interrupted"]


def test_a_signal_while_waiting_for_the_lock_ends_the_wait(project: Project) -> None:
    slow_project(project)
    first = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the first run is at work")
    second = project.start(DOORS["tidegate upgrade"])
    assert second.stderr is not None
    assert "waiting for the migration lock" in second.stderr.readline()
    os.kill(second.pid, signal.SIGTERM)
    assert finish(second, timeout=5).code == 143
    os.kill(first.pid, signal.SIGTERM)
    finish(first, timeout=10)


def test_the_lock_that_is_not_obtained_in_time_names_its_holder(project: Project) -> None:
    slow_project(project)
    first = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the first run is at work")
    result = project.tidegate("upgrade", "--lock-wait", "1s", timeout=15)
    assert result.code == 11
    assert "still held by pid" in result.err
    assert "pg_terminate_backend" in result.err
    os.kill(first.pid, signal.SIGTERM)
    finish(first, timeout=10)


def test_a_session_that_a_revision_opens_itself_is_behind_the_fence_too(project: Project) -> None:
    project.query("CREATE TABLE pace (seconds float)")
    project.query("INSERT INTO pace VALUES (12)")
    project.add("a", 'op.get_bind().engine.connect().execute(sa.text("SELECT pg_sleep(seconds) FROM pace"))')
    first = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the first run is at work")
    project.query("UPDATE pace SET seconds = 0.3")
    watch = Watch(project)
    os.kill(first.pid, signal.SIGKILL)
    assert project.tidegate("upgrade", timeout=30).code == 0
    watch.stop()
    first.communicate()
    assert watch.most_at_once == 1
