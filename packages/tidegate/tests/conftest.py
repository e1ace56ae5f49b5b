"""Real servers, the embedded 18 and Debian's, and an Alembic project with a fresh database for each test."""

from __future__ import annotations

import secrets
import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest
from projects import Project
from tools.postgres import Cluster, debian_bin_dir, temporary_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAJORS = ("embedded", "debian")
"""Locks and kills are tested on both; the rest on the embedded one."""


for _signum in (signal.SIGINT, signal.SIGHUP):  # `nohup` and a script's `&` ignore them, and so would all we start
    if signal.getsignal(_signum) is signal.SIG_IGN:
        signal.signal(_signum, lambda *_: None)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Cluster]]:
    """Starts a server when it is first asked for, and stops them all at the end."""
    running: dict[str, Cluster] = {}

    def server(name: str) -> Cluster:
        if name not in running:
            bin_dir = None if name == "embedded" else debian_bin_dir()
            if name == "debian" and bin_dir is None:
                pytest.fail("Debian's PostgreSQL is missing: `apt-get install postgresql-15` (or any other major)")
            running[name] = temporary_cluster(bin_dir).start()
        return running[name]

    yield server
    for cluster in running.values():
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Callable[[str], Cluster]) -> Cluster:
    """The server of this test; `@pytest.mark.parametrize("server", MAJORS, indirect=True)` asks for both."""
    return servers(getattr(request, "param", "embedded"))


@pytest.fixture
def project(server: Cluster, tmp_path: Path) -> Iterator[Project]:
    """A guarded project without revisions, on an empty database."""
    with new_project(server, tmp_path) as project:
        yield project


@contextmanager
def new_project(server: Cluster, folder: Path) -> Iterator[Project]:
    """The same for as long as a block lasts, so that several tests can look at what one run left."""
    name = f"tidegate_{secrets.token_hex(4)}"
    execute(server.url, f"CREATE DATABASE {name}")
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    project = Project(folder, server.database_url(name))
    project.write_env()
    yield project
    execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def accounts(project: Project) -> Project:
    """The project with two tables of an application."""
    project.query("CREATE TABLE account (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO account VALUES (1), (2)")
    project.query("CREATE TABLE payment (id int PRIMARY KEY)")
    return project


def execute(url: str, statement: str) -> None:
    """Run one statement in autocommit mode."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()
