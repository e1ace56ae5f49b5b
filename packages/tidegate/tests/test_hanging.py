"""A server that hangs while its kernel still answers: whatever asks it ends in time, and obeys a signal at once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from conftest import MAJORS, new_project
from projects import BIN, DOORS, Project, finish, until
from tools.postgres import debian_bin_dir, temporary_cluster

from tidegate.database.answer import HeldUp, NoAnswer
from tidegate.database.asking import ANSWER_WITHIN_S, fetch_one
from tidegate.database.connect import backend_pid, connect
from tidegate.database.lock import MUTEX
from tidegate.database.look import current_revisions
from tidegate.database.url import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

AT_ONCE_S = 3.0
"""From a signal to the end of the process, on a busy machine."""

IN_TIME_S = ANSWER_WITHIN_S + 8.0
"""The bound of an answer, a second for the server to cancel, and what many processes at once add."""

TIDEGATE = str(BIN / "tidegate")
BOTH = {name: DOORS[name] for name in ("tidegate upgrade", "tidegate run")}


class Own(NamedTuple):
    cluster: Cluster
    project: Project


@pytest.fixture(scope="module", params=MAJORS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A server of these tests' own, which they may stop."""
    cluster = temporary_cluster(debian_bin_dir() if request.param == "debian" else None).start()
    yield cluster
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.fixture
def own(cluster: Cluster, tmp_path: Path) -> Iterator[Own]:
    """One revision is done, one is pending."""
    with new_project(cluster, tmp_path) as project:
        project.add_table("a")
        project.query(
            "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('a')"
        )
        project.add_table("b", down="a")
        yield Own(cluster, project)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    """No process of the server does anything for as long as the block lasts; the kernel accepts connections for it."""
    os.kill(cluster.pid, signal.SIGSTOP)
    others = children(cluster.pid)
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in [*others, cluster.pid]:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def version_table_locked(project: Project) -> Iterator[None]:
    """Whoever asks where the database is waits for an answer."""
    with project.connection() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE alembic_version")
        yield


def asking(project: Project) -> int:
    """How many sessions of tidegate wait for the version table."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tidegate%' AND wait_event_type = 'Lock'"
    return int(project.query(query)[0][0])


def test_every_look_at_a_server_that_hangs_ends_in_time_with_a_named_error_and_the_next_command(own: Own) -> None:
    verbs = [*BOTH.values(), *([TIDEGATE, verb] for verb in ("status", "plan", "metrics"))]
    verbs += [[TIDEGATE, "wait", "--for-schema", "--timeout", "4s"]]
    with version_table_locked(own.project):
        running = [own.project.start(verb) for verb in verbs]
        until(lambda: asking(own.project) >= len(verbs), what="all of them are asking")
        with stopped(own.cluster):
            began = time.monotonic()
            results = [finish(process, timeout=IN_TIME_S) for process in running]
            assert time.monotonic() - began < IN_TIME_S
    assert [result.code for result in results] == [12] * len(verbs), results
    for result in results[:-1]:
        assert "the server hangs" in result.err
        assert "see whether the server's processes run" in result.err
        assert "Traceback" not in result.err


def test_a_signal_ends_the_first_look_at_once(own: Own) -> None:
    with version_table_locked(own.project):
        runs = [own.project.start(command) for command in BOTH.values()]
        until(lambda: asking(own.project) == len(runs), what="they are asking")
        with stopped(own.cluster):
            for run in runs:
                os.kill(run.pid, signal.SIGTERM)
            results = [finish(run, timeout=AT_ONCE_S) for run in runs]
    for result in results:
        assert result.code == 143, result.err
        assert "stopped by SIGTERM before anything began" in result.err


def test_a_signal_ends_the_wait_for_the_lock_at_once_and_without_one_it_ends_in_time(own: Own) -> None:
    with own.project.connection() as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (MUTEX,))
        told, left_alone = ([own.project.start(command) for command in BOTH.values()] for _ in range(2))
        for run in [*told, *left_alone]:
            assert run.stderr is not None
            assert "waiting for the migration lock" in run.stderr.readline()
        with stopped(own.cluster):
            for run in told:
                os.kill(run.pid, signal.SIGINT)
            assert [finish(run, timeout=AT_ONCE_S).code for run in told] == [130, 130]
            results = [finish(run, timeout=IN_TIME_S) for run in left_alone]
    for result in results:
        assert result.code == 12, result.err
        assert "the server hangs" in result.err
    assert own.project.at() == ["a"]


def test_a_signal_ends_the_wait_for_a_connection_at_once(own: Own) -> None:
    verbs = [*BOTH.values(), [TIDEGATE, "wait"], [TIDEGATE, "status"], [TIDEGATE, "check"]]
    with stopped(own.cluster):
        running = [own.project.start(verb) for verb in verbs]
        until(lambda: own_sockets(own.cluster.port) >= len(verbs), what="all of them are connected")
        for run in running:
            os.kill(run.pid, signal.SIGTERM)
        codes = [finish(run, timeout=AT_ONCE_S).code for run in running]
    assert codes == [143, 143, 143, -signal.SIGTERM, -signal.SIGTERM], "those that only look have nothing to put right"


def test_a_server_that_lets_nobody_in_is_given_up_when_the_time_is_over(own: Own) -> None:
    with stopped(own.cluster):
        running = [own.project.start([TIDEGATE, verb, "--wait-for-db", "1s"]) for verb in ("upgrade", "status")]
        results = [finish(run, timeout=IN_TIME_S) for run in running]
    for result in results:
        assert result.code == 12, result.err
        assert "for the database" in result.err
        assert "wait longer with `--wait-for-db" in result.err


STOP_THE_SERVER = "\nif not context.is_offline_mode(): import signal; os.kill({pid}, signal.SIGSTOP)\n"


@pytest.mark.parametrize("is_told", [True, False], ids=["told to stop", "left alone"])
def test_a_server_that_hangs_at_the_verification_is_given_up_and_what_is_known_is_said(
    own: Own, *, is_told: bool
) -> None:
    env = own.project.folder / "migrations" / "env.py"
    env.write_text(env.read_text() + STOP_THE_SERVER.format(pid=own.cluster.pid))
    try:
        run = own.project.start(BOTH["tidegate upgrade"], PYTHONUNBUFFERED="1")
        if is_told:
            until(lambda: state_of(own.cluster.pid) == "T", what="the server was stopped")
            until(lambda: not children(run.pid), what="the worker has ended")
            os.kill(run.pid, signal.SIGTERM)
            result = finish(run, timeout=AT_ONCE_S)
        else:
            result = finish(run, timeout=IN_TIME_S + 10)
    finally:
        os.kill(own.cluster.pid, signal.SIGCONT)
    assert result.code == (143 if is_told else 10), result.err
    assert "where the database is now could not be seen" in result.err
    assert "`b` was the last that was reported as done" in result.err
    assert "`tidegate status` says where it is" in result.err
    assert own.project.at() == ["b"]


def test_somebodys_lock_is_told_from_a_server_that_hangs(project: Project) -> None:
    project.add_table("a")
    assert project.tidegate("upgrade").code == 0
    connection = connect(Database(project.url, "test"), answer_within_s=1.5)
    with version_table_locked(project), pytest.raises(HeldUp, match="somebody has locked `alembic_version`"):
        current_revisions(connection)
    assert current_revisions(connection) == ["a"], "the connection can still be used"
    connection.close()


def test_a_run_at_work_that_has_locked_the_version_table_is_waited_for(project: Project) -> None:
    project.add_table("a")
    assert project.tidegate("upgrade").code == 0
    project.write_env(before="connection.execute(text('LOCK TABLE alembic_version'))")
    project.add_table("b", down="a", seconds=ANSWER_WITHIN_S + 4)
    first = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the first run is at work")
    second = finish(project.start(DOORS["tidegate run"]), timeout=IN_TIME_S + 20)
    assert (finish(first).code, second.code) == (0, 0), second.err
    assert project.at() == ["b"]


def test_an_answer_in_time_leaves_the_connection_alone(server: Cluster) -> None:
    connection = connect(Database(server.url, "test"), answer_within_s=1.5)
    fetch_one(connection, "SELECT 1")
    time.sleep(1.6)
    assert fetch_one(connection, "SELECT 2") == (2,)
    connection.close()


def test_a_backend_that_hangs_is_given_up_in_time(server: Cluster) -> None:
    connection = connect(Database(server.url, "test"), answer_within_s=2.5)
    backend = backend_pid(connection)
    os.kill(backend, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(NoAnswer):
            fetch_one(connection, "SELECT 1")
    finally:
        os.kill(backend, signal.SIGCONT)
    assert time.monotonic() - began < 6.0
    assert connection.closed


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def own_sockets(port: int) -> int:
    """How many connections to this port the kernel has set up, on the client's side."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
