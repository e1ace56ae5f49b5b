"""Through a real PgBouncer: transaction pooling is recognised and refused, session pooling works."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg2
import pytest
from projects import DOORS, Project, finish, until
from tools.postgres import free_port

from tidegate.database.connect import connected, refuse_pooler
from tidegate.database.url import Database
from tidegate.errors import PoolerInTheWay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.deep


@contextmanager
def pgbouncer(project: Project, folder: Path, mode: str, *, pool_size: int = 20) -> Iterator[str]:
    """A PgBouncer before the project's database; gives the URL through it."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.fail("PgBouncer is missing: `apt-get install pgbouncer`")
    port, parts = free_port(), urlsplit(project.url)
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={parts.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
        f"pool_mode = {mode}\ndefault_pool_size = {pool_size}\nignore_startup_parameters = extra_float_digits\n"
    )
    as_user = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    folder.chmod(0o755)
    with config.open() as stream:
        process = subprocess.Popen([program, "-q", "/dev/stdin"], stdin=stream, **as_user)  # type: ignore[call-overload]  # keywords by condition
    url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}"

    def answers() -> bool:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            return False
        return True

    try:
        until(answers, timeout=10, what="PgBouncer answers")
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_pooling_by_transaction_or_statement_is_refused_with_the_way_out(
    project: Project, tmp_path: Path, mode: str
) -> None:
    project.add_table("a")
    with pgbouncer(project, tmp_path, mode) as url:
        result = project.tidegate("upgrade", DATABASE_URL=url)
        assert result.code == 14, result.err
        assert "TIDEGATE_DATABASE_URL" in result.err
        assert project.at() == []
        assert project.tidegate("upgrade", DATABASE_URL=url, TIDEGATE_DATABASE_URL=project.url).code == 0
        assert project.tidegate("run", "--", "true", DATABASE_URL=url).code == 0  # nothing to do needs no lock


def test_a_busy_transaction_pooler_is_recognised_each_time(project: Project, tmp_path: Path) -> None:
    with pgbouncer(project, tmp_path, "transaction", pool_size=5) as url, traffic(url):
        for _ in range(20):
            with connected(Database(url, "test")) as connection, pytest.raises(PoolerInTheWay):
                refuse_pooler(connection, Database(url, "test"))


@contextmanager
def traffic(url: str) -> Iterator[None]:
    """Four clients that are never idle."""
    is_over = threading.Event()

    def client() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        while not is_over.is_set():
            connection.cursor().execute("SELECT pg_sleep(0.002)")
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in clients:
            thread.join()


def test_a_session_pooler_that_is_too_small_is_named(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.database.connect.POOLER_ANSWER_S", 0.5)
    with (
        pgbouncer(project, tmp_path, "session", pool_size=1) as url,
        connected(Database(url, "test")) as connection,
        pytest.raises(PoolerInTheWay, match="gave no second session within"),
    ):
        refuse_pooler(connection, Database(url, "test"))


def test_two_runs_race_through_a_session_pooler_and_the_lock_timeout_holds_there(
    project: Project, tmp_path: Path
) -> None:
    project.add_table("a", seconds=0.3)
    project.add("b", "op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS value\")", down="a")
    with pgbouncer(project, tmp_path, "session") as url:
        command = [*DOORS["tidegate upgrade"], "--lock-timeout", "70ms"]
        racers = [project.start(command, DATABASE_URL=url) for _ in range(2)]
        for racer in racers:
            result = finish(racer)
            assert result.code == 0, result.err
    assert project.recorded() == [("a", "upgrade"), ("b", "upgrade")]
    assert project.query("SELECT value FROM seen") == [("70ms",)]
    assert project.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_an_env_py_that_goes_through_the_pooler_is_refused_and_leaves_no_lock(project: Project, tmp_path: Path) -> None:
    env = project.folder / "migrations" / "env.py"
    env.write_text(env.read_text().replace('context.config.get_main_option("sqlalchemy.url") or ', ""))
    project.add_table("a")
    with pgbouncer(project, tmp_path, "transaction") as url:
        result = project.tidegate("upgrade", DATABASE_URL=url, TIDEGATE_DATABASE_URL=project.url)
        assert result.code == 14, result.err
        assert project.at() == []
        project.write_env()
        for door in (("alembic", "upgrade", "head"), ("tidegate", "status")):
            assert project.run(*door, DATABASE_URL=url, TIDEGATE_DATABASE_URL=project.url, timeout=20).code == 0
    assert project.at() == ["a"]
