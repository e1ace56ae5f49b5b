"""What of a revision was committed when a run was killed is left out by the next run, which then finishes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from conftest import MAJORS
from projects import DOORS, until

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep

DRIVERS = ("psycopg2", "psycopg", "asyncpg")

SLEEP = 'op.get_bind().execute(sa.text("SELECT pg_sleep(seconds) FROM pace"))'
"""The place where a run is killed: it sleeps as long as table `pace` says."""

BLOCK = "\n    with op.get_context().autocommit_block():\n        "
"""What commits, in Alembic, everything before it."""

ASYNC_ENV = """
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

if not context.is_offline_mode():
    asyncio.run(run())
"""


def prepare(project: Project, driver: str = "psycopg2") -> None:
    project.query("CREATE TABLE pace (seconds float)")
    project.query("INSERT INTO pace VALUES (20)")
    project.query("CREATE TABLE item (id int PRIMARY KEY)")
    project.query("INSERT INTO item SELECT generate_series(1, 25)")
    use_driver(project, driver)


def use_driver(project: Project, driver: str) -> None:
    """Have `env.py` connect with this one."""
    env = project.folder / "migrations" / "env.py"
    if driver == "asyncpg":
        env.write_text(ASYNC_ENV)
    elif driver == "psycopg":
        text = env.read_text().replace(
            '"postgresql+psycopg2://").replace("+psycopg:", "+psycopg2:")', '"postgresql+psycopg://")'
        )
        assert "+psycopg2" not in text
        env.write_text(text)


def kill_in_its_sleep(project: Project) -> None:
    """Start a run, kill it when the revision sleeps, and let the next one not sleep there."""
    run = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the revision sleeps")
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    project.query("UPDATE pace SET seconds = 0")


def finishes(project: Project) -> str:
    """What the next run says."""
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.recorded() == [("a", "upgrade")]
    assert project.query("SELECT * FROM tidegate.step") == [], "the rows go with the end of the revision"
    return result.err


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_an_autocommit_block_committed_is_not_done_twice(project: Project, driver: str) -> None:
    prepare(project, driver)
    project.add(
        "a",
        'op.add_column("item", sa.Column("name", sa.String()))'
        f'{BLOCK}op.execute("CREATE INDEX CONCURRENTLY item_name ON item (name)")\n        {SLEEP}'
        '\n    op.execute("CREATE TABLE behind (id int)")',
    )
    kill_in_its_sleep(project)
    assert "2 of its statements were committed before and are left out" in finishes(project)
    assert project.query("SELECT to_regclass('behind') IS NOT NULL") == [(True,)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_batches_that_go_by_the_number_of_rows_go_on_where_they_were(project: Project, driver: str) -> None:
    prepare(project, driver)
    project.query("CREATE TABLE copy (id int)")
    batch = '"INSERT INTO copy SELECT id FROM item ORDER BY id LIMIT 10 OFFSET " + str(offset)'
    project.add(
        "a",
        f"offset = 0{BLOCK}while op.get_bind().execute(sa.text({batch})).rowcount > 0:\n"
        f"            offset += 10\n            if offset == 20: {SLEEP}",
    )
    kill_in_its_sleep(project)
    finishes(project)
    assert project.query("SELECT count(*), count(DISTINCT id) FROM copy") == [(25, 25)]


@pytest.mark.parametrize(
    "commit", ['op.execute("COMMIT")', "op.get_bind().commit()", 'op.execute("CREATE TABLE u (id int); COMMIT")']
)
def test_a_revision_that_commits_by_itself_goes_on_behind_it(project: Project, commit: str) -> None:
    prepare(project)
    project.add("a", f'op.execute("CREATE TABLE t (id int)"); {commit}; {SLEEP}; op.execute("CREATE TABLE v (id int)")')
    kill_in_its_sleep(project)
    result = project.tidegate("upgrade")
    if ";" in commit:  # what of such a text was committed cannot be known
        assert result.code == 10
        assert "cannot go on from there by itself because of `CREATE TABLE u (id int); COMMIT`" in result.err
        assert "DELETE FROM tidegate.step WHERE revision = 'a'" in result.err
    else:
        finishes(project)


def test_what_was_rolled_back_is_done_again(project: Project) -> None:
    prepare(project)
    project.add(
        "a",
        'op.execute("CREATE TABLE t (id int)"); nested = op.get_bind().begin_nested(); '
        f'op.execute("CREATE TABLE u (id int)"); nested.rollback(){BLOCK}{SLEEP}'
        '\n    op.execute("CREATE TABLE u (id int)")',
    )
    kill_in_its_sleep(project)
    assert project.query("SELECT count(*) FROM tidegate.step") == [(1,)]
    finishes(project)
    assert project.query("SELECT to_regclass('t') IS NOT NULL, to_regclass('u') IS NOT NULL") == [(True, True)]


def test_a_revision_that_looks_what_is_left_to_do_is_not_kept_from_it(project: Project) -> None:
    prepare(project)
    left = "SELECT id FROM generate_series(101, 103) id WHERE id NOT IN (SELECT id FROM item) ORDER BY id"
    insert = 'op.get_bind().execute(sa.text("INSERT INTO item VALUES (:id)"), {"id": id})'
    project.add(
        "a",
        f'left = op.get_bind().execute(sa.text("{left}")).scalars().all()'
        f"{BLOCK}for id in left: {insert}; id == 102 and {SLEEP}",
    )
    kill_in_its_sleep(project)
    finishes(project)
    assert project.query("SELECT count(*) FROM item WHERE id > 100") == [(3,)]


def test_a_temporary_table_ends_with_its_session_so_the_run_stops_and_says_so(project: Project) -> None:
    prepare(project)
    project.add("a", f'op.execute("CREATE TEMP TABLE t AS SELECT 1 AS id"){BLOCK}{SLEEP}')
    kill_in_its_sleep(project)
    for _ in range(2):
        result = project.tidegate("upgrade")
        assert result.code == 10
        assert "cannot go on from there by itself because of `CREATE TEMP TABLE t AS SELECT 1 AS id`" in result.err
    project.query("DELETE FROM tidegate.step WHERE revision = 'a'")
    finishes(project)


def test_settings_of_the_session_are_made_again(project: Project) -> None:
    prepare(project)
    project.query("CREATE SCHEMA other")
    project.add(
        "a",
        'op.execute("SET search_path = other, public"); op.execute("CREATE TABLE t (id int)")'
        f'{BLOCK}{SLEEP}\n    op.execute("CREATE TABLE u (id int)")',
    )
    kill_in_its_sleep(project)
    finishes(project)
    assert project.query("SELECT to_regclass('other.u') IS NOT NULL") == [(True,)]


def test_after_a_failure_in_the_middle_the_mended_file_goes_on_from_there(project: Project) -> None:
    prepare(project)
    revision = 'op.execute("CREATE TABLE t (id int)")' + BLOCK + 'op.execute("{}")'
    project.add("a", revision.format("CREATE INDEX CONCURRENTLY broken ON nowhere (id)"))
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "what is done already is skipped or repeated without harm" in result.err
    project.add("a", revision.format("CREATE INDEX CONCURRENTLY mended ON t (id)"))
    finishes(project)


def test_a_revision_in_one_transaction_leaves_no_row_behind_while_it_runs(project: Project) -> None:
    prepare(project)
    project.add("a", f'op.execute("CREATE TABLE t (id int)"); op.execute("DO $$BEGIN PERFORM 1; END$$"); {SLEEP}')
    kill_in_its_sleep(project)
    assert project.query("SELECT count(*) FROM tidegate.step") == [(0,)]
    assert "left out" not in finishes(project)
