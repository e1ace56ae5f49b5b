"""The gate over asyncpg: what differs from psycopg2. That it opens and closes the same way is in `test_gate.py`."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import tidegate
from tidegate.database.asking import fetch_all
from tidegate.database.look import look
from tidegate.database.over_asyncpg import AsyncpgSession, asyncpg_arguments
from tidegate.database.url import Database
from tidegate.errors import DatabaseRefused, DatabaseUnreachable
from tidegate.project.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project


@pytest.fixture
def session(project: Project) -> Iterator[AsyncpgSession]:
    session = AsyncpgSession(Database(project.url, "test"), answer_within_s=1.0)
    yield session
    session.close()


def test_a_server_that_has_asyncpg_does_not_load_psycopg2_for_its_gate(project: Project) -> None:
    project.add_table("a")
    code = """
import sys, tidegate
gate = tidegate.SchemaGate(driver="asyncpg")
gate.start()
print(gate.report.state, {"psycopg2", "sqlalchemy", "alembic"} & set(sys.modules))
gate.stop()
"""
    result = project.run(sys.executable, "-c", code, timeout=30)
    assert (result.code, result.out) == (0, "empty set()\n"), result.err


def test_an_unknown_driver_and_one_that_is_missing_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = str(project.folder / "alembic.ini")
    with pytest.raises(tidegate.UsageError, match="knows no driver `pg8000`"):
        tidegate.SchemaGate(ini, database_url=project.url, driver="pg8000")  # type: ignore[arg-type]  # that is the test
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.delitem(sys.modules, "tidegate.database.over_asyncpg")
    with pytest.raises(tidegate.UsageError, match="which cannot be imported") as raised:
        tidegate.SchemaGate(ini, database_url=project.url, driver="asyncpg")
    assert raised.value.hint == "`pip install asyncpg`, or leave `driver` out"


def test_a_lock_is_waited_for_in_bounded_time_and_the_connection_is_kept(
    project: Project, session: AsyncpgSession
) -> None:
    project.query("CREATE TABLE alembic_version (version_num text)")
    with project.connection() as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE alembic_version")
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="somebody has locked `alembic_version`"):
            look(session, Graph([]))
        assert 0.7 < time.monotonic() - began < 1.0, "that is, before the server counts as one that hangs"
        cursor.execute("ROLLBACK")
    assert fetch_all(session, "SELECT 1") == [(1,)]


def test_a_backend_that_hangs_is_given_up_in_time(session: AsyncpgSession) -> None:
    ((pid,),) = fetch_all(session, "SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            fetch_all(session, "SELECT 1")
        session.close()
        assert time.monotonic() - began < 3.0
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_look_changes_nothing(project: Project, session: AsyncpgSession) -> None:
    assert fetch_all(session, "CREATE TABLE made_by_a_look (id int)") == []
    assert project.query("SELECT to_regclass('made_by_a_look')") == [(None,)]


def test_why_it_cannot_connect_is_told_without_a_password(project: Project) -> None:
    url = project.url.replace("postgres@", "postgres:verysecret@")
    with pytest.raises(DatabaseRefused, match=r'database ".*_gone" does not exist') as raised:
        AsyncpgSession(Database(url + "_gone", "test"))
    assert "verysecret" not in raised.value.render()
    with pytest.raises(DatabaseUnreachable, match="does not answer"):
        AsyncpgSession(Database("postgresql://anna:verysecret@127.0.0.1:1/x", "test"))


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (
            "postgresql+asyncpg://anna:p%40ss%2F@db:5433/x%20y",
            {"user": "anna", "password": "p@ss/", "host": ["db"], "port": 5433, "database": "x y"},
        ),
        ("postgresql://db1:5432,db2:5433/x", {"host": ["db1", "db2"], "port": [5432, 5433], "database": "x"}),
        ("postgresql://[::1]/x", {"host": ["::1"], "database": "x"}),
        ("postgresql:///x?host=/run/postgresql", {"host": ["/run/postgresql"], "database": "x"}),
        ("postgresql+asyncpg://db/x?ssl=require", {"host": ["db"], "database": "x", "dsn": "postgresql://?sslmode=require"}),
        (
            "postgresql://db/x?sslmode=verify-full&sslrootcert=/a%20b.pem&gssencmode=disable&connect_timeout=3",
            {"host": ["db"], "database": "x", "dsn": "postgresql://?sslmode=verify-full&sslrootcert=%2Fa%20b.pem"},
        ),
    ],
)  # fmt: skip
def test_a_url_means_the_same_to_asyncpg_as_to_libpq(url: str, arguments: dict[str, Any]) -> None:
    assert asyncpg_arguments(Database(url, "test")) == arguments


def test_options_in_the_url_reach_the_server(project: Project) -> None:
    session = AsyncpgSession(Database(f"{project.url}?options=-c%20search_path%3Dpg_catalog", "test"))
    assert fetch_all(session, "SHOW search_path") == [("pg_catalog",)]
    session.close()
