"""Which sessions of a worker are working sessions, and which make it stop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import execute

from tidegate.worker.sessions import WorkingSession

if TYPE_CHECKING:
    from projects import Project
    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

SQLITE = 'sa.create_engine("sqlite://")'


def test_a_revision_may_use_another_kind_of_database_beside(project: Project) -> None:
    project.add("a", f'c = {SQLITE}.connect(); c.exec_driver_sql("CREATE TABLE x (id int)"); op.execute("SELECT 1")')
    assert project.tidegate("upgrade").code == 0
    assert project.at() == ["a"]


def test_an_env_py_of_another_kind_of_database_is_refused(project: Project) -> None:
    project.write_env(top="import sqlalchemy as sa", before=f"connection = {SQLITE}.connect()")
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "`env.py` connects to sqlite; tidegate guards PostgreSQL only; nothing was changed" in result.err


def test_an_env_py_that_connects_elsewhere_is_refused(project: Project, server: Cluster) -> None:
    project.write_env(before=f'connection = create_engine("{server.url}".replace("://", "+psycopg2://")).connect()')
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "another database than the one that is locked" in result.err
    execute(server.url, "DROP TABLE IF EXISTS t_a")


def test_a_transaction_that_env_py_begins_itself_is_its_own_to_commit(project: Project) -> None:
    project.write_env(before="connection.begin()")
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "what it did was rolled back" in result.err
    assert project.at() == []
    env = project.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace(
            "            context.run_migrations()", "            context.run_migrations()\n        connection.commit()"
        )
    )
    assert project.tidegate("upgrade").code == 0
    assert project.at() == ["a"]


SYNC = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

ASYNC = """
import asyncio, os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def configure(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def run():
    engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.connect() as connection:
        await connection.run_sync(configure)

asyncio.run(run())
"""


@pytest.mark.parametrize("env", [SYNC, ASYNC], ids=["psycopg", "asyncpg"])
def test_a_session_of_every_driver_has_the_timeout_and_the_fence(project: Project, env: str) -> None:
    (project.folder / "migrations" / "env.py").write_text(env)
    fence = "SELECT sum(count) FROM (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' "
    project.add(
        "a",
        "op.execute(\"CREATE TABLE found AS SELECT current_setting('lock_timeout') AS timeout, "
        f'({fence} AND pid = pg_backend_pid()) AS l) AS fences")',
    )
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.query("SELECT timeout, fences FROM found") == [("100ms", 1)]


def test_settings_are_changed_for_one_statement_and_given_back(project: Project) -> None:
    with contextlib.closing(psycopg2.connect(project.url)) as connection:
        session = WorkingSession(connection, connection.info.backend_pid)
        show = "SELECT concat(current_setting('lock_timeout'), ' ', current_setting('statement_timeout'))"
        session.execute("SET lock_timeout = '100ms'; SET statement_timeout = '7s'")
        session.apply({"lock_timeout": "0", "statement_timeout": "0"})
        assert session.execute(show) == "0 0"
        session.restore()
        assert session.execute(show) == "100ms 7s"


def test_a_session_knows_what_the_driver_says_of_its_transaction(project: Project) -> None:
    with contextlib.closing(psycopg2.connect(project.url)) as connection:
        session = WorkingSession(connection, connection.info.backend_pid)
        assert (session.is_idle, session.is_in_autocommit) == (True, False)
        session.execute("SELECT 1")
        assert session.is_idle is False
        connection.rollback()
        connection.autocommit = True
        assert (session.is_idle, session.is_in_autocommit) == (True, True)
