"""Through a real PgBouncer: transaction pooling is recognised and refused, session pooling works."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg2
import pytest
from projects import Project, until
from tools.postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def pgbouncer(project: Project, folder: Path, mode: str) -> Iterator[str]:
    """A PgBouncer before the project's database; gives the URL through it."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.fail("PgBouncer is missing: `apt-get install pgbouncer`")
    port, parts = free_port(), urlsplit(project.url)
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={parts.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
        f"pool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n"
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


def test_transaction_pooling_is_refused_with_the_way_out(project: Project, tmp_path: Path) -> None:
    project.add_table("a")
    with pgbouncer(project, tmp_path, "transaction") as url:
        result = project.tidegate("upgrade", DATABASE_URL=url)
        assert result.code == 14, result.err
        assert "TIDEGATE_DATABASE_URL" in result.err
        assert project.at() == []
        assert project.tidegate("upgrade", DATABASE_URL=url, TIDEGATE_DATABASE_URL=project.url).code == 0
        assert project.tidegate("run", "--", "true", DATABASE_URL=url).code == 0  # nothing to do needs no lock


def test_session_pooling_works(project: Project, tmp_path: Path) -> None:
    project.add_table("a")
    with pgbouncer(project, tmp_path, "session") as url:
        result = project.tidegate("upgrade", DATABASE_URL=url)
        assert result.code == 0, result.err


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
