"""What the gate reports, without the processes around it: the schema is changed by hand."""

from __future__ import annotations

import itertools
import socket
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from projects import until

import tidegate

if TYPE_CHECKING:
    from projects import Project

SESSIONS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tidegate gate%' AND datname = current_database()"
)


def migrate(project: Project) -> None:
    """What Alembic leaves behind."""
    project.query("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('a')")


def started(project: Project, url: str | None = None) -> tidegate.SchemaGate:
    gate = tidegate.SchemaGate(
        str(project.folder / "alembic.ini"), database_url=url or project.url, interval=timedelta(seconds=0.05)
    )
    gate.start()
    return gate


def test_it_says_what_it_saw_and_looks_again_over_the_same_connection(project: Project) -> None:
    project.add_table("a")
    gate = started(project)
    assert gate.report[:6] == (False, "ok", "empty", (), ("a",), ("a",))
    assert "has not been reached" not in gate.report.reason
    sessions = project.query(SESSIONS)
    assert len(sessions) == 1
    migrate(project)
    until(lambda: gate.report.is_open, timeout=5, what="it is open")
    assert gate.report[:6] == (True, "ok", "current", ("a",), ("a",), ())
    assert project.query(SESSIONS) == sessions
    project.query("SELECT pg_terminate_backend(%s)", sessions[0][0])
    until(lambda: project.query(SESSIONS) not in ([], sessions), timeout=5, what="it is connected anew")
    assert gate.report.is_open
    gate.stop()


def test_it_looks_as_often_as_it_is_told_and_not_after_it_was_stopped(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_table("a")
    times: list[float] = []

    def note(*_: object) -> None:
        times.append(time.monotonic())
        raise RuntimeError

    monkeypatch.setattr("tidegate.gate.look", note)
    gate = started(project)
    until(lambda: len(times) > 3, timeout=10, what="it looked four times")
    gate.stop()
    looks = len(times)
    assert min(later - sooner for sooner, later in itertools.pairwise(times)) >= 0.05
    time.sleep(0.3)
    assert len(times) == looks


def test_where_the_database_is_comes_from_the_environment_it_is_given(project: Project) -> None:
    project.add_table("a")
    gate = tidegate.SchemaGate(str(project.folder / "alembic.ini"), environ={"DATABASE_URL": project.url})
    gate.start()
    assert gate.report[:3] == (False, "ok", "empty")
    gate.stop()


def test_a_database_that_is_not_there_is_told(project: Project) -> None:
    project.add_table("a")
    gate = started(project, project.url + "_gone")
    assert gate.report[:6] == (False, "unreachable", None, (), ("a",), ())
    assert "does not exist" in gate.report.reason
    gate.stop()
    never = tidegate.SchemaGate(str(project.folder / "alembic.ini"), database_url=project.url)
    assert never.report.reason == "the database has not been reached yet"
    never.stop()


class Clock:
    now = 3.0

    def monotonic(self) -> float:
        return self.now


def test_what_was_seen_is_believed_for_its_interval_and_five_seconds_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("tidegate.gate.time", clock)
    project.add_table("a")
    ini = str(project.folder / "alembic.ini")
    empty = tidegate.SchemaGate(ini, database_url=project.url)
    empty.start()
    empty.stop()
    migrate(project)
    gate = tidegate.SchemaGate(ini, database_url=project.url)
    gate.start()
    gate.stop()
    until(lambda: not project.query(SESSIONS), timeout=5, what="a gate that was stopped holds no connection")
    clock.now = 9.0
    assert gate.report[:3] == (True, "ok", "current")
    clock.now = 10.0
    assert gate.report[:3] == (False, "unreachable", "current")
    assert gate.report.reason == "the database has not answered for 7 s"
    assert empty.report[:3] == (False, "ok", "empty"), "what is closed stays as it was"


def test_a_look_that_fails_in_an_unforeseen_way_closes_the_gate_and_its_connection(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    project.add_table("a")
    monkeypatch.setattr("tidegate.gate.look", fail)
    gate = started(project)
    assert gate.report.reason == "the look failed: RuntimeError"
    gate.stop()
    until(lambda: not project.query(SESSIONS), timeout=5, what="its connections are closed")


@pytest.mark.deep
def test_a_database_that_hangs_keeps_a_server_from_starting_for_a_second_only(project: Project) -> None:
    project.add_table("a")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/x"
        gate = tidegate.SchemaGate(str(project.folder / "alembic.ini"), database_url=url)
        began = time.monotonic()
        gate.start()
        assert 1.0 <= time.monotonic() - began < 2.0
        assert not gate.report.is_open
        began = time.monotonic()
        gate.stop()
        assert 1.0 <= time.monotonic() - began < 2.0, "nor from ending"


def test_a_server_that_ends_without_stopping_its_gate_ends(project: Project) -> None:
    project.add_table("a")
    result = project.run("python", "-c", "import tidegate; tidegate.SchemaGate().start(); print('over')", timeout=30)
    assert (result.code, result.out) == (0, "over\n"), result.err
