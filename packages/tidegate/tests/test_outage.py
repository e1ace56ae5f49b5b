"""The server or one of the two sessions goes away in the middle of a revision: the run stops at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import psycopg2
import pytest
from conftest import MAJORS
from projects import DOORS, Project, finish, until
from tools.postgres import debian_bin_dir, free_port, temporary_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

AT_ONCE_S = 4.0
"""A ping every second, the server's half second for the orphan, and the look from a fresh connection."""


def two_steps(project: Project) -> None:
    """A revision that is done quickly, and one that makes a table and then sleeps as `pace` says."""
    project.query("CREATE TABLE pace (seconds float)")
    project.query("INSERT INTO pace VALUES (60)")
    project.add_table("a")
    project.add(
        "b", 'op.execute("CREATE TABLE t_b (id int)"); op.execute("SELECT pg_sleep(seconds) FROM pace")', down="a"
    )


def assert_nothing_half_done(project: Project) -> None:
    assert project.at() == ["a"]
    assert project.recorded() == [("a", "upgrade")]
    assert project.query("SELECT to_regclass('t_b')") == [(None,)]
    assert project.sleepers() == []
    assert project.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def assert_next_run_finishes(project: Project, outcomes: list[str]) -> None:
    project.query("UPDATE pace SET seconds = 0")
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.at() == ["b"]
    assert project.outcomes() == outcomes


@pytest.mark.alone
@pytest.mark.parametrize(
    ("server", "purpose"),
    [("embedded", "control"), ("debian", "control"), ("debian", "working")],
    indirect=["server"],
)
def test_the_end_of_either_session_stops_the_run_at_once(project: Project, purpose: str) -> None:
    two_steps(project)
    run = project.start(DOORS["tidegate upgrade"])
    (working,) = until(project.sleepers, what="the run is at work")
    of_control = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tidegate control%%'"
    ((control,),) = project.query(f"{of_control} AND datname = current_database()")
    project.query("SELECT pg_terminate_backend(%s)", control if purpose == "control" else working)
    ended = time.monotonic()
    result = finish(run, timeout=15)
    assert time.monotonic() - ended < AT_ONCE_S
    assert result.code == 10, result.err
    assert "at `a`" in result.err
    if purpose == "control":
        assert "the connection that held the migration lock was lost" in result.err
    else:
        assert "revision `b` failed and was rolled back" in result.err
        assert "see the server's log, then run `tidegate upgrade` again" in result.err
    assert_nothing_half_done(project)
    assert_next_run_finishes(project, ["failed", "succeeded"])


class Own(NamedTuple):
    cluster: Cluster
    project: Project


@pytest.fixture
def own(request: pytest.FixtureRequest, project: Project) -> Iterator[Own]:
    """A server of the test's own, which it may restart."""
    bin_dir = debian_bin_dir() if request.param == "debian" else None
    cluster = temporary_cluster(bin_dir, synchronous_commit="on").start()  # what was committed outlives a crash
    yield Own(cluster, Project(project.folder, cluster.url))
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.mark.parametrize("own", MAJORS, indirect=True)
@pytest.mark.parametrize("signum", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
def test_a_restart_of_the_server_stops_the_run_and_the_next_one_finishes(own: Own, signum: signal.Signals) -> None:
    cluster, project = own
    two_steps(project)
    run = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the run is at work")
    os.kill(cluster.pid, signum)  # `pg_ctl restart -m immediate` and `-m fast`
    cluster.stop()
    cluster.start()
    result = finish(run, timeout=20)
    assert result.code == 10, result.err
    assert "at `a`" in result.err
    assert "run `tidegate upgrade` again" in result.err
    assert_nothing_half_done(project)
    assert_next_run_finishes(project, ["failed", "succeeded"])


FORWARDER = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def pump(source, sink):
    while chunk := source.recv(65536):
        sink.sendall(chunk)
    sink.shutdown(socket.SHUT_WR)
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@contextmanager
def forwarder(project: Project) -> Iterator[tuple[int, str]]:
    """A process that carries bytes to the project's server; its id, and the URL through it."""
    port, parts = free_port(), urlsplit(project.url)
    process = subprocess.Popen([sys.executable, "-c", FORWARDER, str(port), str(parts.port)], stderr=subprocess.DEVNULL)
    url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
    try:
        until(lambda: answers(url), what="the forwarder answers")
        yield process.pid, url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_a_working_session_that_goes_without_a_word_is_missed(project: Project) -> None:
    two_steps(project)
    env = project.folder / "migrations" / "env.py"
    env.write_text(env.read_text().replace('context.config.get_main_option("sqlalchemy.url") or ', ""))
    with forwarder(project) as (pid, url):
        run = project.start(DOORS["tidegate upgrade"], DATABASE_URL=url, TIDEGATE_DATABASE_URL=project.url)
        (working,) = until(project.sleepers, what="the run is at work")
        os.kill(pid, signal.SIGSTOP)  # nobody is told of the end of the session
        project.query("SELECT pg_terminate_backend(%s)", working)
        result = finish(run, timeout=15)
    assert result.code == 10, result.err
    assert "the working session was lost" in result.err
    assert "at `a`" in result.err
    assert_nothing_half_done(project)
    assert_next_run_finishes(project, ["failed", "succeeded"])
