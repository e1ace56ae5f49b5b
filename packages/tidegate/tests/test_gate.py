"""The gate lets a server serve only on a schema it can work with, and opens by itself."""

from __future__ import annotations

import os
import shutil
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest
from projects import Project, until
from tools.postgres import temporary_cluster

import tidegate

if TYPE_CHECKING:
    from collections.abc import Iterator


DRIVERS: tuple[Literal["psycopg2", "asyncpg"], ...] = ("psycopg2", "asyncpg")


class Gates:
    """Starts gates that look with one driver, and stops them at the end."""

    def __init__(self, driver: Literal["psycopg2", "asyncpg"]) -> None:
        self.driver = driver
        self.made: list[tidegate.SchemaGate] = []

    def make(self, project: Project, url: str | None = None) -> tidegate.SchemaGate:
        gate = tidegate.SchemaGate(
            str(project.folder / "alembic.ini"),
            database_url=url or project.url,
            interval=timedelta(seconds=0.2),
            driver=self.driver,
        )
        self.made.append(gate)
        return gate

    def open(self, project: Project) -> tidegate.SchemaGate:
        gate = self.make(project)
        gate.start()
        return gate


@pytest.fixture(params=DRIVERS)
def gates(request: pytest.FixtureRequest) -> Iterator[Gates]:
    gates = Gates(request.param)
    yield gates
    for gate in gates.made:
        gate.stop()


def test_it_is_closed_on_an_empty_database_and_opens_once_it_is_migrated(project: Project, gates: Gates) -> None:
    project.add_table("a")
    gate = gates.open(project)
    assert gate.report[:3] == (False, "ok", "empty")
    assert gate.report.pending == ("a",)
    assert project.tidegate("upgrade").code == 0
    until(lambda: gate.report.is_open, timeout=2, what="the gate opens by itself")
    assert gate.report.state == "current"


def test_its_first_look_comes_before_start_returns(project: Project, gates: Gates) -> None:
    project.add_table("a")
    project.query("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('a')")
    assert gates.open(project).report.is_open


@pytest.mark.deep
def test_it_closes_under_an_old_server_when_a_newer_one_removes_what_it_needs(project: Project, gates: Gates) -> None:
    project.add_table("a")
    project.tidegate("upgrade")
    gate = gates.open(project)
    project.add("b", "pass", down="a", phase="expand")
    project.tidegate("upgrade")
    until(lambda: gate.report.state == "ahead", timeout=2, what="the gate has seen b")
    assert gate.report.is_open
    project.add("c", "pass", down="b", phase="contract")
    project.tidegate("upgrade")
    until(lambda: gate.report.state == "incompatible", timeout=2, what="the gate has seen c")
    assert not gate.report.is_open


@pytest.mark.deep
def test_it_survives_a_terminated_connection_without_closing(project: Project, gates: Gates) -> None:
    project.add_table("a")
    project.tidegate("upgrade")
    gate = gates.open(project)
    project.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tidegate gate%'")
    seen = set()
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        seen.add(gate.report.is_open)
        time.sleep(0.01)
    assert seen == {True}


@pytest.mark.deep
def test_it_closes_without_a_database_and_opens_when_it_is_back(project: Project, gates: Gates) -> None:
    cluster = temporary_cluster().start()
    try:
        project.add_table("a")
        elsewhere = Project(project.folder, cluster.url)
        assert elsewhere.tidegate("upgrade").code == 0
        gate = gates.open(elsewhere)
        assert gate.report.is_open
        cluster.stop()
        until(lambda: gate.report.database == "unreachable", timeout=5, what="the gate misses the database")
        assert not gate.report.is_open
        cluster.start()
        until(lambda: gate.report.is_open, timeout=5, what="the gate is open again")
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.mark.deep
def test_it_closes_when_the_database_hangs(project: Project, gates: Gates) -> None:
    project.add_table("a")
    project.tidegate("upgrade")
    gate = gates.open(project)
    (backend,) = project.query("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tidegate gate%'")
    os.kill(backend[0], signal.SIGSTOP)
    try:
        until(lambda: not gate.report.is_open, timeout=12, what="the gate misses the answers")
    finally:
        os.kill(backend[0], signal.SIGCONT)
    until(lambda: gate.report.is_open, timeout=5, what="the gate is open again")


def test_it_tells_what_a_look_failed_of_and_stops_whether_it_was_started_or_not(project: Project, gates: Gates) -> None:
    project.add_table("a")
    gates.make(project).stop()
    gate = gates.make(project, project.url + "_gone")
    assert gate.report.reason == "the database has not been reached yet"
    gate.start()
    assert gate.report[:3] == (False, "unreachable", None)
    assert "does not exist" in gate.report.reason
