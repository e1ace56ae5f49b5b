"""CREATE INDEX CONCURRENTLY in a migration: whatever cuts it off, the next run ends with one valid index."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS
from projects import BIN, finish, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from projects import Project
    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

UPGRADE = [str(BIN / "tidegate"), "upgrade"]

INDEX = "op.create_index('ix_email', 'orders', ['email'], postgresql_concurrently=True{more})"
BLOCK = "with op.get_context().autocommit_block(): {body}"
BUILD = BLOCK.format(body=INDEX.format(more=""))

DRIVERS = ("psycopg2", "asyncpg")

ASYNC_ENV_PY = """
import asyncio, os
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

def migrate(connection):
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()

async def run():
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(run())
"""

BUILDERS = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"


WAITING = "SELECT pid FROM pg_stat_activity WHERE query = %s AND wait_event_type IN ('Lock', 'Timeout')"


@pytest.fixture
def orders(project: Project) -> Project:
    """A project with one revision, which builds an index on a table that has rows."""
    project.query(
        "CREATE TABLE orders (id int, email text); CREATE TABLE elsewhere (id int);"
        "INSERT INTO orders SELECT i, 'a' || i FROM generate_series(1, 1000) i"
    )
    project.add("a", BUILD)
    return project


def use_driver(project: Project, driver: str) -> None:
    if driver == "asyncpg":
        (project.folder / "migrations" / "env.py").write_text(ASYNC_ENV_PY)


@contextlib.contextmanager
def holding(project: Project, statement: str, *, level: str = "READ COMMITTED") -> Iterator[int]:
    """A transaction of an application that stays open; gives its process id."""
    connection = psycopg2.connect(project.url, application_name="report")
    connection.set_session(isolation_level=level)
    try:
        connection.cursor().execute(statement)
        yield connection.info.backend_pid
    finally:
        with contextlib.suppress(psycopg2.Error):
            connection.close()


def snapshot(project: Project) -> contextlib.AbstractContextManager[int]:
    """What every build has to wait for, though it never looks at the table."""
    return holding(project, "SELECT count(*) FROM elsewhere", level="REPEATABLE READ")


def writer(project: Project) -> contextlib.AbstractContextManager[int]:
    """What a build waits for before it has read a single row."""
    return holding(project, "UPDATE orders SET email = 'b' WHERE id = 1")


def building(project: Project) -> subprocess.Popen[str]:
    """A run that has got as far as waiting in the middle of its build; the index stands there INVALID."""
    process = project.start(UPGRADE)
    until(lambda: project.query(f"{BUILDERS} AND phase LIKE 'waiting for %'"), what="it waits")
    assert indexes(project) == [("ix_email", False)]
    return process


def indexes(project: Project) -> list[tuple[str, bool]]:
    """Name and validity of every index of the table."""
    return [
        (row[0], row[1])
        for row in project.query(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'orders'::regclass ORDER BY 1"
        )
    ]


def kill(project: Project, _server: Cluster, process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    until(lambda: not project.query(BUILDERS), what="the server notices")


def terminate_session(project: Project, _server: Cluster, process: subprocess.Popen[str]) -> None:
    project.query(f"SELECT pg_terminate_backend(pid) FROM ({BUILDERS}) x")
    assert finish(process).code == 10


def restart(_project: Project, server: Cluster, process: subprocess.Popen[str]) -> None:
    server.stop()
    server.start()
    assert finish(process).code == 10


@pytest.mark.alone
@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_build_that_was_cut_off_again_and_again_is_finished_by_the_next_run(orders: Project, server: Cluster) -> None:
    for cut_off, blocker in ((kill, writer), (terminate_session, snapshot), (restart, snapshot)):
        with blocker(orders):
            cut_off(orders, server, building(orders))
        assert indexes(orders) == [("ix_email", False)], cut_off
        assert orders.at() == []
    result = orders.tidegate("upgrade")
    assert result.code == 0, result.err
    assert "`public.ix_email` is INVALID: an earlier build of it did not finish" in result.err
    assert indexes(orders) == [("ix_email", True)]
    assert orders.at() == ["a"]


@pytest.mark.alone
def test_build_waits_for_a_writer_longer_than_the_lock_timeout_and_says_for_whom(orders: Project) -> None:
    orders.query("ALTER DATABASE " + orders.url.rpartition("/")[2] + " SET statement_timeout = '500ms'")
    with writer(orders) as pid:
        process = orders.start(UPGRADE)
        until(lambda: orders.query(BUILDERS), what="it builds")
        time.sleep(2.5)
        assert process.poll() is None
    result = finish(process)
    assert result.code == 0, result.err
    assert re.search(
        rf"waiting for writers before the build 0/1, now pid {pid} \(`report`, open for \d\.\d\d s\): "
        "UPDATE orders SET email = 'b' WHERE id = 1",
        result.err,
    )
    assert indexes(orders) == [("ix_email", True)]
    assert orders.query("SELECT attempts FROM tidegate.run") == [(1,)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_index_that_is_there_already_is_kept(orders: Project, driver: str) -> None:
    use_driver(orders, driver)
    where = ", postgresql_where=sa.text(\"email LIKE 'a%' AND id % 2 = 0\")"
    orders.add("a", BLOCK.format(body=INDEX.format(more=where)))
    orders.query("CREATE INDEX ix_email ON orders (email) WHERE email LIKE 'a%' AND id % 2 = 0")
    before = orders.query("SELECT 'ix_email'::regclass::oid")
    result = orders.tidegate("upgrade")
    assert result.code == 0, result.err
    assert "`public.ix_email` is there already, valid and the same: skipped" in result.err
    assert orders.query("SELECT 'ix_email'::regclass::oid") == before
    assert indexes(orders) == [("ix_email", True)]


def test_another_index_of_that_name_is_an_error_that_shows_both(orders: Project) -> None:
    orders.add("a", BLOCK.format(body=INDEX.format(more=", if_not_exists=True")))
    orders.query("CREATE INDEX ix_email ON orders (lower(email))")
    result = orders.tidegate("upgrade")
    assert result.code == 10
    assert "`public.ix_email` is there already, valid, but another one (it differs in columns)" in result.err
    assert "there:  CREATE INDEX ix_email ON public.orders USING btree (lower(email))" in result.err
    assert "wanted: CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_email ON orders (email)" in result.err
    assert orders.at() == []
    (command,) = re.findall(r"`(DROP INDEX CONCURRENTLY .*?)`", result.err)
    orders.query(command)
    assert orders.tidegate("upgrade").code == 0
    assert indexes(orders) == [("ix_email", True)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_if_not_exists_does_not_hide_an_invalid_index(orders: Project, driver: str) -> None:
    use_driver(orders, driver)
    orders.query("INSERT INTO orders VALUES (1, 'a1')")
    sql = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix_email ON orders (email)"
    orders.add("a", BLOCK.format(body=f'op.execute("{sql}")'))
    failed = orders.tidegate("upgrade")
    assert failed.code == 10
    assert "`a` failed, and what its statement had half done stays: could not create unique index" in failed.err
    assert "hint: mend the cause, then run `tidegate upgrade` again" in failed.err
    assert indexes(orders) == [("ix_email", False)]
    orders.query("DELETE FROM orders WHERE id = 1")
    assert orders.tidegate("upgrade").code == 0
    assert indexes(orders) == [("ix_email", True)]


@pytest.mark.alone
def test_reindex_drop_and_detach_that_were_cut_off_are_finished_by_the_next_run(project: Project) -> None:
    project.query(
        "CREATE TABLE elsewhere (id int); CREATE TABLE pace AS SELECT 60 AS seconds;"
        "CREATE TABLE orders (id int); CREATE INDEX slow ON orders (id);"
        "CREATE TABLE notes (id int); CREATE INDEX unused ON notes (id);"
        "CREATE TABLE years (id int) PARTITION BY LIST (id); CREATE TABLE y1 PARTITION OF years FOR VALUES IN (1)"
    )
    statements = (
        "REINDEX INDEX CONCURRENTLY slow",
        "DROP INDEX CONCURRENTLY unused",
        "ALTER TABLE years DETACH PARTITION y1 CONCURRENTLY",
        "SELECT pg_sleep(seconds) FROM pace",
    )
    body = "; ".join(f'op.execute("{statement}")' for statement in statements)
    project.add("a", BLOCK.format(body=body))
    holders: tuple[contextlib.AbstractContextManager[object], ...] = (
        snapshot(project),
        holding(project, "SELECT count(*) FROM notes"),
        holding(project, "SELECT count(*) FROM years"),
        contextlib.nullcontext(),
    )
    for statement, holder in zip(statements, holders, strict=True):
        with holder:
            process = project.start(UPGRADE)
            until(lambda text=statement: project.query(WAITING, text), what=f"{statement} waits")  # type: ignore[misc]  # a default
            process.kill()
            process.communicate()
            until(lambda text=statement: not project.query(WAITING, text), what="the server notices")  # type: ignore[misc]  # as above
    project.query("DELETE FROM pace")
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert "3 of its statements were committed before and are left out" in result.err
    assert indexes(project) == [("slow", True)]
    assert project.query("SELECT to_regclass('unused')") == [(None,)]
    assert project.query("SELECT count(*) FROM pg_inherits") == [(0,)]


@pytest.mark.alone
@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize("what", ["SCHEMA CONCURRENTLY public", "DATABASE CONCURRENTLY {database}"])
def test_a_reindex_of_many_tables_says_whom_it_waits_for_and_is_finished_by_the_next_run(
    project: Project, what: str
) -> None:
    statement = f"REINDEX {what.format(database=project.url.rpartition('/')[2])}"
    project.query(
        "CREATE TABLE orders (id int, email text); CREATE INDEX first ON orders (id); CREATE TABLE n (id int)"
    )
    project.query("CREATE INDEX second ON n (id)")
    project.add("a", BLOCK.format(body=f'op.execute("{statement}")'))
    with writer(project):
        process = project.start(UPGRADE)
        assert process.stderr is not None
        assert any("waiting for writers before the build" in line for line in process.stderr)
        process.kill()
        process.communicate()
        until(lambda: not project.query(BUILDERS), what="the server notices")
    assert project.query("SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid") == [(True,)]
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert re.search("an earlier REINDEX was cut off: .*DROP INDEX CONCURRENTLY public.first_ccnew", result.err)
    assert project.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert project.query("SELECT count(*) FROM pg_class WHERE relname LIKE '%cc%' AND relkind = 'i'") == [(0,)]


def test_a_reindex_of_the_system_is_refused_in_the_words_of_the_server(project: Project) -> None:
    statement = f"REINDEX SYSTEM CONCURRENTLY {project.url.rpartition('/')[2]}"
    project.add("a", BLOCK.format(body=f'op.execute("{statement}")'))
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "cannot reindex system catalogs concurrently" in result.err
    assert f"statement: {statement}" in result.err
    assert "Traceback" not in result.err
