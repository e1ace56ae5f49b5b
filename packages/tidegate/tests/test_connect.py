"""Waiting for a database that is not up yet, and giving up at once on one that will never work."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS, new_project
from tools.postgres import debian_bin_dir, free_port, temporary_cluster

from tidegate.database.connect import connect, connect_when_ready, connected
from tidegate.database.url import Database
from tidegate.errors import DatabaseRefused, DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Project
    from tools.postgres import Cluster

pytestmark = pytest.mark.deep


@pytest.fixture
def strict_cluster() -> Iterator[Cluster]:
    """A server that wants passwords over TCP; the superuser's is `right`."""
    cluster = temporary_cluster().start()
    connection = psycopg2.connect(cluster.url)
    connection.autocommit = True
    connection.cursor().execute("ALTER ROLE postgres PASSWORD 'right'")
    connection.close()
    hba = cluster.folder / "pg_hba.conf"
    hba.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    cluster.stop()
    yield cluster.start()
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)


def test_a_database_that_comes_up_late_is_waited_for() -> None:
    cluster = temporary_cluster()
    cluster.port = free_port()
    said: list[str] = []
    starter = threading.Timer(1.0, cluster.start)
    starter.start()
    try:
        connection = connect_when_ready(Database(cluster.url, "test"), wait_s=20, tell=said.append)
        connection.close()
    finally:
        starter.join()
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)
    assert len(said) == 1
    assert "waiting for the database at 127.0.0.1" in said[0]


def test_a_database_that_stays_away_is_given_up_in_time() -> None:
    database = Database(f"postgresql://postgres:geheim@127.0.0.1:{free_port()}/x", "test")
    began = time.monotonic()
    with pytest.raises(DatabaseUnreachable, match=r"waited .* for the database") as caught:
        connect_when_ready(database, wait_s=1)
    assert 0.9 < time.monotonic() - began < 4
    assert caught.value.exit_code == 12
    assert "geheim" not in caught.value.render()


@pytest.mark.parametrize(
    "userinfo", ["postgres:wrong@", "postgres@", "nobody:right@"], ids=["wrong password", "no password", "no such role"]
)
def test_wrong_credentials_end_the_wait_at_once(strict_cluster: Cluster, userinfo: str) -> None:
    url = strict_cluster.url.replace("postgres@", userinfo)
    began = time.monotonic()
    with pytest.raises(DatabaseRefused) as caught:
        connect_when_ready(Database(url, "`DATABASE_URL`"), wait_s=30)
    assert time.monotonic() - began < 3
    assert caught.value.exit_code == 13
    assert "`DATABASE_URL`" in caught.value.render()
    assert "wrong" not in caught.value.render()


def test_a_database_that_does_not_exist_ends_the_wait_at_once(project: Project) -> None:
    with pytest.raises(DatabaseRefused, match="nowhere"):
        connect_when_ready(Database(project.url.rpartition("/")[0] + "/nowhere", "test"), wait_s=30)


def test_a_server_that_is_full_is_waited_for() -> None:
    cluster = temporary_cluster(
        max_connections="5", superuser_reserved_connections="0", reserved_connections="0"
    ).start()
    try:
        taken = [psycopg2.connect(cluster.url) for _ in range(5)]
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(cluster.url)
        threading.Timer(0.7, taken[0].close).start()
        connect_when_ready(Database(cluster.url, "test"), wait_s=15).close()
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


def test_an_option_that_only_another_driver_knows_does_not_matter(project: Project) -> None:
    connect(Database(f"{project.url}?prepared_statement_cache_size=0", "test")).close()


def test_a_connection_holds_no_snapshot_while_it_idles(project: Project) -> None:
    connection = connect(Database(project.url, "test"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (1,))
    pid = connection.info.backend_pid
    assert project.query("SELECT state, backend_xmin FROM pg_stat_activity WHERE pid = %s", pid) == [("idle", None)]
    connection.close()


def test_a_role_that_is_at_its_limit_for_a_moment_is_waited_for(strict_cluster: Cluster) -> None:
    connection = psycopg2.connect(strict_cluster.url.replace("postgres@", "postgres:right@"))
    connection.autocommit = True
    connection.cursor().execute("CREATE ROLE narrow LOGIN PASSWORD 'right' CONNECTION LIMIT 1")
    connection.close()
    url = strict_cluster.url.replace("postgres@", "narrow:right@")
    taken = psycopg2.connect(url)
    threading.Timer(0.5, taken.close).start()
    connect_when_ready(Database(url, "test"), wait_s=15).close()


def test_a_connection_that_is_lost_becomes_a_named_error(project: Project) -> None:
    with (  # noqa: PT012 - what is tested is a block
        pytest.raises(DatabaseUnreachable, match="was lost"),
        connected(Database(project.url, "test")) as connection,
    ):
        project.query("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
        connection.cursor().execute("SELECT 1")


def test_a_database_that_may_only_be_read_is_refused_by_name(project: Project) -> None:
    project.add_table("a")
    result = project.tidegate("upgrade", PGOPTIONS="-c default_transaction_read_only=on")
    assert result.code == 13, result.err
    assert "read-only" in result.err


def test_a_host_name_that_cannot_be_one_is_no_traceback(project: Project) -> None:
    result = project.tidegate("wait", "--timeout", "1s", "--database-url", "postgresql://u:p@a..b/d")
    assert result.code in {12, 13}
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("place", "command"),
    [
        ("ROLE {role}", "ALTER ROLE {role} RESET"),
        ("DATABASE {name}", "ALTER DATABASE {name} RESET"),
        ("ROLE {role} IN DATABASE {name}", "ALTER ROLE {role} IN DATABASE {name} RESET"),
    ],
)
def test_who_may_only_read_is_told_the_command_that_changes_it(project: Project, place: str, command: str) -> None:
    name = project.url.rpartition("/")[2]
    names = {"role": f"reads_{name}", "name": name}
    project.add_table("a")
    project.query(f"CREATE ROLE reads_{name} LOGIN SUPERUSER")
    url, project.url = project.url, project.url.replace("postgres@", f"reads_{name}@")
    try:
        project.query(f"ALTER {place.format(**names)} SET default_transaction_read_only = on")
        result = project.tidegate("upgrade")
        assert result.code == 13
        printed = f"`BEGIN READ WRITE; {command.format(**names)} default_transaction_read_only; COMMIT`"
        assert printed in result.err, result.err
        assert printed in project.tidegate("check").out
        project.query(printed.strip("`"))
        assert project.tidegate("upgrade").code == 0
    finally:
        project.url = url
        project.query(f"BEGIN READ WRITE; DROP OWNED BY reads_{name}; DROP ROLE reads_{name}; COMMIT")


def test_a_service_that_is_in_no_file_is_not_waited_for(project: Project) -> None:
    result = project.tidegate("wait", "--timeout", "30s", "--database-url", "postgresql:///?service=nosuch", timeout=15)
    assert result.code == 13
    assert "PGSERVICEFILE" in result.err


@pytest.mark.parametrize("major", MAJORS)
def test_a_standby_is_refused_by_every_verb_that_writes_and_read_by_the_others(major: str, tmp_path: Path) -> None:
    cluster = temporary_cluster(None if major == "embedded" else debian_bin_dir()).start()
    try:
        with new_project(cluster, tmp_path) as project:
            project.add_table("a")
            assert project.tidegate("upgrade").code == 0
            project.add_table("b", down="a")
            cluster.stop()
            (cluster.folder / "standby.signal").touch()
            cluster.start()
            assert project.tidegate("status").code == 3
            for verb in (["upgrade"], ["check"]):
                result = project.tidegate(*verb)
                assert result.code == 13
                assert "give tidegate the URL of the primary" in result.out + result.err, result
            assert project.tidegate("history").code == 0
            assert project.tidegate("doctor").code == 0
            cluster.stop()
            (cluster.folder / "standby.signal").unlink()
            cluster.start()
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)
