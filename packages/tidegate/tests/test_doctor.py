"""The doctor finds what the catalogue and the files show: each damage made for real, and mended as it says."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS
from doctor_cases import PARTITIONED, findings, kinds, mended_by_its_own_command, obey
from projects import BIN, Project, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.deep

_DROPPING = "datname = current_database() AND state = 'active' AND query LIKE 'DROP INDEX CONCURRENTLY%'"


@pytest.fixture
def project(project: Project) -> Project:
    """A project whose one revision is not applied yet: nothing that the doctor would find."""
    project.add_table("a")
    return project


@contextmanager
def reader(project: Project, table: str) -> Iterator[None]:
    """An application's transaction that has read a table and stays open, with its snapshot."""
    with project.connection() as connection:
        connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        connection.cursor().execute(f"SELECT * FROM {table}")
        yield
        connection.rollback()


def cancelled(project: Project, statement: str, *, once: str) -> None:
    """Execute a statement and cancel it as soon as a query answers true."""
    with project.connection() as connection, ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: connection.cursor().execute(statement))
        until(lambda: project.query(once)[0][0], what=once)
        connection.cancel()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            running.result()


def broken_unique_index(project: Project, name: str = "broken") -> None:
    """A CREATE UNIQUE INDEX CONCURRENTLY that met a duplicate."""
    project.query("CREATE TABLE t (id int)")
    project.query("INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        project.query(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON t (id)")


def broken_index(project: Project) -> None:
    """A CREATE INDEX CONCURRENTLY that was cancelled while it waited for a reader."""
    project.query('CREATE TABLE "T" (id int)')
    with reader(project, '"T"'):
        cancelled(
            project,
            'CREATE INDEX CONCURRENTLY "Broken one" ON "T" (id)',
            once="SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid",
        )


def broken_reindex(project: Project) -> None:
    """A REINDEX CONCURRENTLY that was cancelled while it waited for a reader."""
    project.query("CREATE TABLE r (id int PRIMARY KEY)")
    with reader(project, "r"):
        cancelled(
            project,
            "REINDEX INDEX CONCURRENTLY r_pkey",
            once="SELECT count(*) > 0 FROM pg_class WHERE relname LIKE 'r_pkey_ccnew'",
        )


def unvalidated(project: Project) -> None:
    """A check constraint that was added and never validated."""
    project.query('CREATE TABLE c (v int); ALTER TABLE c ADD CONSTRAINT "c v" CHECK (v > 0) NOT VALID')


def half_detached(project: Project) -> None:
    """A DETACH CONCURRENTLY that was cancelled while it waited for a reader."""
    project.query(PARTITIONED)
    with reader(project, "part"):
        cancelled(
            project,
            "ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY",
            once="SELECT bool_or(inhdetachpending) FROM pg_inherits",
        )


FIXABLE: dict[str, Callable[[Project], None]] = {
    "detach_pending": half_detached,
    "invalid_index": broken_index,
    "reindex_leftover": broken_reindex,
    "not_valid_constraint": unvalidated,
}


@pytest.fixture
def damaged(project: Project) -> Project:
    """A project whose database has one damage of each kind that the catalogue shows and `--fix` mends."""
    for damage in FIXABLE.values():
        damage(project)
    assert kinds(project) == list(FIXABLE)
    return project


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_each_damage_is_mended_by_its_printed_command(damaged: Project) -> None:
    for kind in FIXABLE:
        mended_by_its_own_command(damaged, kind)
    assert findings(damaged) == []


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_fix_mends_all_of_it_and_says_before_what_it_executes(damaged: Project) -> None:
    statements = [statement for finding in findings(damaged) for statement in finding["fix"]]
    result = damaged.tidegate("doctor", "--fix", "--format", "json")
    assert result.code == 0, result.err
    assert [finding["kind"] for finding in result.json()["mended"]] == list(FIXABLE)
    assert [line.removeprefix("tidegate:   ") for line in result.err.splitlines()[1::2]] == statements
    assert findings(damaged) == []


def test_what_is_to_be_built_again_is_said_as_a_command(project: Project) -> None:
    broken_unique_index(project)
    finding = mended_by_its_own_command(project, "invalid_index")
    project.query("DELETE FROM t")
    project.query(finding["then"].removeprefix("build it again: "))
    assert project.query("SELECT indisvalid AND indisunique FROM pg_index WHERE indexrelid = 'broken'::regclass") == [
        (True,)
    ]


def test_an_index_that_is_being_built_is_no_damage(project: Project) -> None:
    project.query("CREATE TABLE t (id int)")
    with project.connection() as connection, ThreadPoolExecutor(1) as pool:
        with reader(project, "t"):
            running = pool.submit(lambda: connection.cursor().execute("CREATE INDEX CONCURRENTLY i ON t (id)"))
            until(lambda: project.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid")[0][0])
            assert findings(project) == []
        running.result()


def test_an_index_that_is_being_dropped_is_no_damage(project: Project) -> None:
    project.query("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    with project.connection() as connection, ThreadPoolExecutor(1) as pool:
        with reader(project, "t"):
            running = pool.submit(lambda: connection.cursor().execute("DROP INDEX CONCURRENTLY i"))
            until(lambda: project.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid")[0][0])
            assert findings(project) == []
        running.result()


def test_a_partition_that_is_being_detached_is_no_damage(project: Project) -> None:
    project.query(PARTITIONED)
    detach = "ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY"
    with project.connection() as connection, ThreadPoolExecutor(1) as pool:
        with reader(project, "part"):
            running = pool.submit(lambda: connection.cursor().execute(detach))
            until(lambda: project.query("SELECT bool_or(inhdetachpending) FROM pg_inherits")[0][0])
            assert findings(project) == []
        running.result()


LACKING = {
    "CREATE INDEX part_v ON ONLY part (v)": 2,
    "CREATE UNIQUE INDEX part_v ON ONLY part (id, v)": 2,
    "ALTER TABLE part ALTER id SET NOT NULL; ALTER TABLE ONLY part ADD CONSTRAINT part_v PRIMARY KEY (id)": 2,
    'CREATE INDEX part_v ON ONLY part (v); CREATE INDEX own ON "Part 2" (v)': 1,
}
"""Indexes that partitions lack, and for how many of them there is none that fits."""


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_an_index_that_partitions_lack_is_completed_by_the_printed_commands(project: Project) -> None:
    for number, statement in enumerate(LACKING):
        project.query(f"CREATE SCHEMA s{number}; SET search_path = s{number}; {PARTITIONED}; {statement}")
    found = findings(project)
    assert {finding["kind"] for finding in found} == {"incomplete_partitioned_index"}
    made = [sum("CREATE" in command for command in finding["commands"]) for finding in found]
    assert made == list(LACKING.values())
    for finding in found:
        obey(project, finding)
    assert findings(project) == []
    assert project.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_an_invalid_part_of_a_partitioned_index_is_rebuilt_and_not_dropped(project: Project) -> None:
    project.query(PARTITIONED)
    project.query(
        "CREATE INDEX part_v ON ONLY part (v); CREATE INDEX a ON part_1 (v); ALTER INDEX part_v ATTACH PARTITION a"
    )
    with reader(project, '"Part 2"'):
        cancelled(
            project,
            'CREATE INDEX CONCURRENTLY b ON "Part 2" (v)',
            once="SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid AND indexrelid = to_regclass('b')",
        )
    project.query("ALTER INDEX part_v ATTACH PARTITION b")
    assert kinds(project) == ["invalid_partition_index"]
    mended_by_its_own_command(project, "invalid_partition_index")
    assert kinds(project) == []


def test_the_doctor_never_waits_for_a_lock(project: Project) -> None:
    broken_unique_index(project)
    project.query("ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID")
    project.query(f"{PARTITIONED}; CREATE INDEX part_v ON ONLY part (v)")
    with project.connection() as migration:
        migration.cursor().execute("BEGIN; LOCK TABLE t, part; ALTER TABLE t ADD x int")
        found = findings(project)
    assert [finding["kind"] for finding in found] == ["invalid_index", "not_valid_constraint", "not_visible"]
    assert "part_v" not in str(found)  # it is locked, and the note says so


def test_what_cannot_be_mended_is_told_and_the_rest_is_mended(project: Project) -> None:
    project.query("CREATE TABLE t (v int); INSERT INTO t VALUES (-1)")
    project.query("ALTER TABLE t ADD CONSTRAINT a CHECK (v > 0) NOT VALID, ADD CONSTRAINT b CHECK (v < 9) NOT VALID")
    result = project.tidegate("doctor", "--fix", "--format", "json")
    assert result.code == 15
    (failed,) = result.json()["not_mended"]
    assert "violated" in failed["error"]
    assert [finding["what"] for finding in result.json()["findings"]] == [failed["what"]]


def test_a_dry_run_shows_what_fix_would_execute_and_executes_nothing(project: Project) -> None:
    broken_unique_index(project)
    result = project.tidegate("doctor", "--fix", "--dry-run")
    assert result.code == 15
    assert "fix   DROP INDEX CONCURRENTLY public.broken;" in result.out
    assert kinds(project) == ["invalid_index"]
    assert project.tidegate("doctor", "--dry-run").code == 64


def test_fix_that_is_stopped_leaves_no_statement_and_no_lock_and_is_repeated(project: Project) -> None:
    project.tidegate("upgrade")
    broken_index(project)
    for signum in (signal.SIGINT, signal.SIGKILL):
        with reader(project, '"T"'):
            fixing = project.start([str(BIN / "tidegate"), "doctor", "--fix"])
            until(lambda: project.query(f"SELECT count(*) FROM pg_stat_activity WHERE {_DROPPING}")[0][0])
            os.kill(fixing.pid, signum)
            fixing.communicate(timeout=10)
            until(lambda: not project.query(f"SELECT count(*) FROM pg_stat_activity WHERE {_DROPPING}")[0][0])
        assert fixing.returncode == (130 if signum == signal.SIGINT else -signum)
    assert kinds(project) == ["unfinished_run", "invalid_index"]
    assert project.tidegate("doctor", "--fix").code == 0
    assert project.outcomes() == ["succeeded", "interrupted", "killed", "succeeded"]


@pytest.mark.alone
def test_a_reader_of_the_partition_never_waits_behind_fix(project: Project) -> None:
    half_detached(project)
    with reader(project, "part_1"):
        fixing = project.start([str(BIN / "tidegate"), "doctor", "--fix"])
        until(lambda: project.query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%FINALIZE;'")[0][0])
        for _ in range(5):  # the longest wait is the lock timeout, 100 ms
            project.query("SET statement_timeout = '1s'; SELECT * FROM part_1")
            time.sleep(0.1)
    out, err = fixing.communicate(timeout=20)
    assert fixing.returncode == 0, out + err
