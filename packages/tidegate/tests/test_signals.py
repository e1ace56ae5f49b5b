"""Whoever asks a run to stop, and however often: the statement ends on the server, and nothing is left to repair."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from conftest import MAJORS
from projects import DOORS, Project, finish, until

from tidegate.run.supervise import STOP_TIMEOUT_S

pytestmark = pytest.mark.deep

OBSTINATE = (
    "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(seconds) FROM pace; EXIT; "
    "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
)
"""A statement that shrugs off being cancelled."""


def slow(project: Project, statement: str = "SELECT pg_sleep(seconds) FROM pace") -> None:
    project.query("CREATE TABLE pace (seconds float)")
    project.query("INSERT INTO pace VALUES (60)")
    project.add("a", f'op.execute("CREATE TABLE t_a (id int)"); op.execute("""{statement}""")')


def at_work(project: Project) -> list[int]:
    """Server processes that execute something for a migration now."""
    return [
        row[0]
        for row in project.query(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND query ~ 'pg_sleep' AND pid <> pg_backend_pid()"
        )
    ]


def assert_interrupted_and_repeatable(project: Project) -> None:
    assert at_work(project) == []
    assert project.at() == []
    assert project.query("SELECT to_regclass('t_a')") == [(None,)]
    assert project.query(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    ) == [(0,)]
    assert project.outcomes() == ["interrupted"]
    project.query("UPDATE pace SET seconds = 0")
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.outcomes() == ["interrupted", "succeeded"]


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_a_second_sigterm_changes_nothing(project: Project) -> None:
    slow(project)
    run = project.start(DOORS["tidegate upgrade"])
    until(lambda: at_work(project), what="the run is at work")
    os.kill(run.pid, signal.SIGTERM)
    time.sleep(0.1)  # about when the run ends: the worst moment
    os.kill(run.pid, signal.SIGTERM)
    result = finish(run, timeout=STOP_TIMEOUT_S)
    assert result.code == 143, (result.code, result.err)
    assert "stopped by SIGTERM; the statement was cancelled, the database is at `no revision`" in result.err
    assert_interrupted_and_repeatable(project)


def test_a_statement_that_ignores_being_cancelled_is_ended_and_impatience_leaves_no_orphan(project: Project) -> None:
    slow(project, OBSTINATE)
    run = project.start(DOORS["tidegate upgrade"])
    until(lambda: at_work(project), what="the run is at work")
    os.kill(run.pid, signal.SIGTERM)
    time.sleep(3)
    os.kill(run.pid, signal.SIGTERM)
    result = finish(run, timeout=STOP_TIMEOUT_S + 15)
    assert result.code == 143, (result.code, result.err)
    assert_interrupted_and_repeatable(project)


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_a_hangup_stops_like_any_other_signal(project: Project) -> None:
    slow(project)
    run = project.start(DOORS["tidegate upgrade"])
    until(lambda: at_work(project), what="the run is at work")
    os.kill(run.pid, signal.SIGHUP)
    assert finish(run, timeout=STOP_TIMEOUT_S).code == 129
    assert_interrupted_and_repeatable(project)


ADD_COLUMN = 'op.execute("ALTER TABLE t ADD COLUMN more int")'
BUILD = "with op.get_context().autocommit_block(): op.execute('CREATE INDEX CONCURRENTLY i ON t (id)')"


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize(
    "upgrade",
    [ADD_COLUMN, BUILD],
    ids=["waiting for a reader", "building an index"],
)
def test_a_run_that_others_hold_up_stops_when_told(project: Project, upgrade: str) -> None:
    project.query("CREATE TABLE t (id int)")
    project.add("a", upgrade)
    with project.connection() as connection, connection.cursor() as other:
        other.execute("BEGIN; INSERT INTO t VALUES (1)")
        run = project.start(DOORS["tidegate upgrade"])
        if upgrade is BUILD:
            until(lambda: project.query("SELECT 1 FROM pg_stat_progress_create_index"), what="the build waits")
        else:
            said = run.stderr
            assert said is not None
            until(lambda: "in the way:" in said.readline(), what="the run says whom it waits for")
        os.kill(run.pid, signal.SIGTERM)
        result = finish(run, timeout=STOP_TIMEOUT_S)
        assert result.code == 143, (result.code, result.err)
        assert project.at() == []
        assert not project.query(
            "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'tidegate%' AND pid <> "
            "pg_backend_pid() AND datname = current_database()"
        )
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.outcomes() == ["interrupted", "succeeded"]
    assert not project.query("SELECT 1 FROM pg_index WHERE NOT indisvalid")


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-C twice", "the terminal is closed"])
def test_a_real_terminal_stops_the_run(project: Project, how: str) -> None:
    slow(project)
    run, terminal = in_a_terminal(project, DOORS["tidegate upgrade"])
    until(lambda: at_work(project), what="the run is at work")
    if how == "the terminal is closed":
        os.close(terminal)
    else:
        os.write(terminal, b"\x03")
    if how == "Ctrl-C twice":
        time.sleep(0.1)
        os.write(terminal, b"\x03")
    code = run.wait(timeout=STOP_TIMEOUT_S)
    if how == "the terminal is closed":
        assert code == 129
    else:
        assert code == 130
        said = read_all(terminal)
        assert "stopping: cancelling the statement on the server" in said
        assert "stopped by SIGINT" in said
        assert "Traceback" not in said
        os.close(terminal)
    assert_interrupted_and_repeatable(project)


TAKE_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""A session of its own whose terminal is standard input, as a login has it, without a fork of our own."""


def in_a_terminal(project: Project, command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command as a shell in a terminal would; its process, and the terminal's other end."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_THE_TERMINAL, *command],
        cwd=project.folder,
        env=project._environ({}),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    return process, terminal


def read_all(terminal: int) -> str:
    said = b""
    try:
        while chunk := os.read(terminal, 65536):
            said += chunk
    except OSError:  # the other end is closed
        pass
    return said.decode()
