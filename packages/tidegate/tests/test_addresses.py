"""Every way to write where the database is leads tidegate and an unchanged `env.py` to it; none shows a password."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from conftest import execute
from projects import Project
from test_any_project import edit, init
from tools.postgres import Cluster, embedded_bin_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.deep

PASSWORD = "p/w%rd#1:?xé"
"""All that SQLAlchemy takes as it is, though `urllib` does not."""


@pytest.fixture(scope="module")
def strict() -> Iterator[tuple[Cluster, Path]]:
    """A server that wants a password, over TCP and on a socket whose folder has capitals."""
    sockets = Path(tempfile.mkdtemp(prefix="Sock-"))
    sockets.chmod(0o777)
    cluster = Cluster(
        folder=Path(tempfile.mkdtemp(prefix="pg-")),
        bin_dir=embedded_bin_dir(),
        durable=False,
        password=PASSWORD,
        settings={"unix_socket_directories": str(sockets)},
    ).start()
    yield cluster, sockets
    cluster.stop()
    for folder in (cluster.folder, sockets):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(strict: tuple[Cluster, Path], tmp_path: Path) -> Iterator[Project]:
    cluster, _ = strict
    execute(cluster.url, "CREATE DATABASE d")
    init(tmp_path, "generic")
    (tmp_path / "migrations" / "versions" / "a.py").write_text(
        'revision = "a"\ndown_revision = None\ndef upgrade():\n    pass\ndef downgrade():\n    pass\n'
    )
    yield Project(tmp_path, cluster.database_url("d"), {"DATABASE_URL": ""})
    execute(cluster.url, "DROP DATABASE d WITH (FORCE)")


WAYS = {
    "percent-encoded": "postgresql://postgres:{quoted}@127.0.0.1:{port}/d",
    "as it is": "postgresql+psycopg2://postgres:{raw}@127.0.0.1:{port}/d",
    "socket in the query": "postgresql://postgres:{quoted}@/d?host={sockets}&port={port}",
    "socket as host": "postgresql://postgres:{quoted}@{host}:{port}/d",
    "several hosts": "postgres://postgres:{quoted}@127.0.0.1:1,127.0.0.1:{port}/d",
    "service": "postgresql:///?service=mine",
}


@pytest.mark.parametrize("way", WAYS)
def test_both_find_the_database(strict: tuple[Cluster, Path], project: Project, way: str) -> None:
    cluster, sockets = strict
    parts = {"quoted": quote(PASSWORD, safe=""), "raw": PASSWORD, "port": cluster.port}
    url = WAYS[way].format(sockets=sockets, host=quote(str(sockets), safe=""), **parts)
    service = f"[mine]\nhost=127.0.0.1\nport={cluster.port}\nuser=postgres\npassword={PASSWORD}\ndbname=d\n"
    (project.folder / "services").write_text(service)
    project.environ["PGSERVICEFILE"] = str(project.folder / "services")
    if way == "as it is":
        edit(project.folder / "alembic.ini", ("driver://user:pass@localhost/dbname", url.replace("%", "%%")))
    else:
        project.environ["DATABASE_URL"] = url
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.at() == ["a"]


def test_a_password_that_env_py_fills_in_is_left_to_it(strict: tuple[Cluster, Path], project: Project) -> None:
    cluster, _ = strict
    url = f"postgresql+psycopg2://postgres:%(DB_PASS)s@127.0.0.1:{cluster.port}/d"
    edit(project.folder / "alembic.ini", ("driver://user:pass@localhost/dbname", url))
    fill_in = (
        "config = context.config\nimport os\nfrom urllib.parse import quote\n"
        'secret = quote(os.environ["DB_PASS"], safe="").replace("%", "%%")\n'
        'config.set_section_option(config.config_ini_section, "DB_PASS", secret)\n'
    )
    edit(project.folder / "migrations" / "env.py", ("config = context.config\n", fill_in))
    project.environ |= {"DB_PASS": PASSWORD}
    assert project.tidegate("upgrade").code == 64
    result = project.tidegate("upgrade", TIDEGATE_DATABASE_URL=project.url)
    assert result.code == 0, result.err
    assert project.at() == ["a"]


@pytest.mark.parametrize("way", ["socket in the query", "several hosts", "service"])
def test_a_wrong_password_is_refused_and_not_shown(strict: tuple[Cluster, Path], project: Project, way: str) -> None:
    cluster, sockets = strict
    parts = {"quoted": "wrong%2F%C3%A9", "raw": "wrong/é", "port": cluster.port, "sockets": sockets}
    url = WAYS[way].format(host=quote(str(sockets), safe=""), **parts)
    service = f"[mine]\nhost=127.0.0.1\nport={cluster.port}\nuser=postgres\npassword=wrong/é\ndbname=d\n"
    (project.folder / "services").write_text(service)
    result = project.tidegate("status", DATABASE_URL=url, PGSERVICEFILE=str(project.folder / "services"))
    assert result.code == 13, result.err
    assert "wrong" not in result.err.replace("wrong password", "")
