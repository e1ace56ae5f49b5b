"""A build tells how far it is and whom it waits for, and what a cut-off statement left is found."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS
from projects import Project, until
from tools.postgres import debian_bin_dir, temporary_cluster

from tidegate.index.verdict import (
    Verdict,
    build_progress,
    judge_drop,
    old_snapshots,
    pending_detach,
    reindex_leftovers,
)

if TYPE_CHECKING:
    from pathlib import Path

from index_cases import CREATE, SNAPSHOT, TABLE, as_owner, at_work, is_valid, judge, transaction

pytestmark = pytest.mark.deep


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_build_tells_whom_it_waits_for_and_is_left_alone_while_it_does(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE TABLE elsewhere (id int)")
    with project.connection() as connection, transaction(project, *SNAPSHOT) as older:
        with at_work(project, f"{CREATE} i ON orders (id)") as pid:
            progress = until(lambda: (p := build_progress(connection, pid)) and p.locker and p, what="it waits")
            verdict = judge(project, f"{CREATE} i ON orders (id)")
            snapshots = old_snapshots(connection, 0, except_pids=[pid])
            older.rollback()
        assert build_progress(connection, pid) is None
    assert progress.phase == "waiting for old snapshots"
    assert re.fullmatch(
        r"waiting for older transactions \d/\d, now pid \d+ \(`psql`, open for \d\.\d\d s\): "
        r"SELECT count\(\*\) FROM elsewhere",
        str(progress),
    )
    assert verdict.action == "wait"
    assert f"`public.i` is being built by pid {pid} (`builder`), waiting for older transactions" in verdict.reason
    assert [snapshot.pid for snapshot in snapshots] == [progress.locker.pid]
    assert is_valid(project, "i")


def test_progress_has_a_percentage_while_it_works(project: Project) -> None:
    project.query("CREATE TABLE big AS SELECT i, repeat('x', 300) AS filler FROM generate_series(1, 60000) i")
    project.query(
        "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
        "'BEGIN IF $1 % 3000 = 0 THEN PERFORM pg_sleep(0.02); END IF; RETURN $1; END'"
    )
    seen: dict[str, int] = {}
    with project.connection() as connection, at_work(project, f"{CREATE} i ON big (slow(i))") as pid:
        until(lambda: build_progress(connection, pid), what="it works")
        while progress := build_progress(connection, pid):
            seen[str(progress)] = progress.percent or 0
    scanned = [percent for line, percent in seen.items() if line.startswith("building index: scanning table ")]
    rising = [percent for percent in scanned if percent < 100]  # PostgreSQL calls the first block the last one, too
    assert rising == sorted(rising)
    assert len(rising) > 3
    assert f"building index: scanning table {rising[-1]} %" in seen


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_leftovers_of_a_failed_reindex_are_found(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE INDEX i ON orders (email); CREATE INDEX longer_i ON orders (note)")
    for _ in range(2):
        with transaction(project, "LOCK TABLE orders IN ROW EXCLUSIVE MODE"), project.connection() as connection:
            connection.cursor().execute("SET lock_timeout = '20ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                connection.cursor().execute("REINDEX TABLE CONCURRENTLY orders")
    with project.connection() as connection:
        assert set(reindex_leftovers(connection, "REINDEX INDEX CONCURRENTLY public.i")) == {
            "DROP INDEX CONCURRENTLY public.i_ccnew",
            "DROP INDEX CONCURRENTLY public.i_ccnew1",
        }
        drops = reindex_leftovers(connection, "REINDEX TABLE CONCURRENTLY orders")
        assert sum("pg_toast." in drop for drop in drops) >= 1
        for drop in drops:
            connection.cursor().execute(drop)
        assert reindex_leftovers(connection, "REINDEX TABLE CONCURRENTLY orders") == ()
    assert project.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert is_valid(project, "i")


MANY = {
    "a schema": ("REINDEX SCHEMA CONCURRENTLY shop", {"shop"}),
    "a database": ("REINDEX DATABASE CONCURRENTLY {}", {"shop", "other"}),
}


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.parametrize("what", MANY)
def test_leftovers_of_a_failed_reindex_of_many_tables_are_found_where_it_looks(project: Project, what: str) -> None:
    sql, schemas = MANY[what]
    sql = sql.format(project.url.rpartition("/")[2])
    for schema in ("shop", "other"):
        project.query(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.t (id int); CREATE INDEX i ON {schema}.t (id)")
        with transaction(project, f"INSERT INTO {schema}.t VALUES (1)"), project.connection() as connection:
            connection.cursor().execute("SET lock_timeout = '20ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                connection.cursor().execute(f"REINDEX SCHEMA CONCURRENTLY {schema}")
    with project.connection() as connection:
        drops = reindex_leftovers(connection, sql)
        assert set(drops) == {f"DROP INDEX CONCURRENTLY {schema}.i_ccnew" for schema in schemas}
        for drop in drops:
            connection.cursor().execute(drop)
        connection.cursor().execute(sql)
        assert reindex_leftovers(connection, sql) == ()
    assert project.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(2 - len(schemas),)]


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_drop_and_detach_that_were_cut_off_are_taken_up_again(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE INDEX i ON orders (late)")
    project.query("CREATE TABLE p (id int) PARTITION BY RANGE (id)")
    project.query("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
    readers = ("LOCK TABLE orders, p IN ACCESS SHARE MODE",)
    with project.connection() as connection, transaction(project, *readers):
        assert pending_detach(connection, (None, "p1")) is None
        connection.cursor().execute("SET lock_timeout = '20ms'")
        for sql in ("DROP INDEX CONCURRENTLY i", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"):
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                connection.cursor().execute(sql)
    assert not is_valid(project, "i")
    with project.connection() as connection:
        assert judge_drop(connection, (None, "i")) == "drop"
        connection.cursor().execute("DROP INDEX CONCURRENTLY i")
        assert judge_drop(connection, ("public", "i")) == "absent"
        finish = pending_detach(connection, ("public", "p1"))
        assert finish == "ALTER TABLE public.p DETACH PARTITION public.p1 FINALIZE"
        connection.cursor().execute(finish)
        assert pending_detach(connection, ("public", "p1")) is None


def test_build_by_another_role_is_left_alone_though_its_progress_is_hidden(project: Project) -> None:
    project.query(f"{TABLE}; CREATE TABLE elsewhere (id int)")
    with (
        as_owner(project) as owner,
        owner.connection() as connection,
        transaction(project, *SNAPSHOT) as older,
        at_work(project, f"{CREATE} i ON orders (id)") as pid,
    ):
        until(lambda: project.query("SELECT 1 FROM pg_class WHERE relname = 'i'"), what="it stands, INVALID")
        assert build_progress(connection, pid) is None
        verdict = judge(owner, f"{CREATE} i ON orders (id)")
        older.rollback()
    assert verdict == Verdict("wait", reason=f"`public.i` is being built by pid {pid} (`builder`)")


@pytest.mark.parametrize("program", [None, debian_bin_dir()], ids=MAJORS)
def test_prepared_transaction_that_a_build_waits_for_is_named(program: Path | None, tmp_path: Path) -> None:
    with temporary_cluster(program, max_prepared_transactions="3") as cluster:
        project = Project(tmp_path, cluster.url)
        project.query(TABLE)
        with transaction(project, "INSERT INTO orders (id) VALUES (1)", "PREPARE TRANSACTION 'forgotten'"):
            pass
        with project.connection() as connection, at_work(project, f"{CREATE} i ON orders (id)") as pid:
            progress = until(lambda: (p := build_progress(connection, pid)) and p.locker and p, what="it waits")
            snapshots = old_snapshots(connection, 0, except_pids=[pid])
            project.query("ROLLBACK PREPARED 'forgotten'")
        assert str(progress).startswith(
            "waiting for writers before the build 0/1, now the prepared transaction `forgotten` (since 0."
        )
        assert [(one.pid, one.name) for one in snapshots] == [(None, "forgotten")]
    shutil.rmtree(cluster.folder)


def test_table_held_exclusively_is_looked_at_later(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE INDEX i ON orders (lower(email))")
    with transaction(project, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"):
        assert judge(project, f"{CREATE} i ON orders (lower(email))").action == "wait"
    assert judge(project, f"{CREATE} i ON orders (lower(email))").action == "skip"
