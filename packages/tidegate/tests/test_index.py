"""An index that an earlier attempt left behind is judged by what PostgreSQL says of it, not by its name."""

from __future__ import annotations

import re
import shutil
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from conftest import MAJORS
from projects import Project, until
from tools.postgres import debian_bin_dir, temporary_cluster

from tidegate.effects import read_statements
from tidegate.index import (
    Verdict,
    build_progress,
    judge_drop,
    judge_index,
    old_snapshots,
    pending_detach,
    reindex_leftovers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CREATE = "CREATE INDEX CONCURRENTLY"

TABLE = """
CREATE TABLE orders (
    id int PRIMARY KEY, email varchar(80), note text, amount numeric(12, 2), at timestamptz, tags text[], "Mixed" int,
    dropped int);
ALTER TABLE orders DROP COLUMN dropped;
ALTER TABLE orders ADD COLUMN late int
"""

SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM elsewhere")
"""A transaction that every build has to wait for, though it never looks at the table."""

SAME = [
    ("i ON orders (email)", "i ON orders (email)"),
    ("i ON orders (email)", 'IF NOT EXISTS "i" ON public.orders USING btree ("email" ASC NULLS LAST)'),
    ("i ON orders (lower(email))", "i ON orders (lower(email::text))"),
    ("i ON orders (lower(email))", "i ON orders (lower(orders.email)) TABLESPACE elsewhere"),
    ("i ON orders ((amount * 2))", "i ON orders (((amount) * (2)))"),
    ("i ON orders (late) WHERE note = 'x'", "i ON orders (late) WHERE (note = CAST('x' AS text))"),
    ("i ON orders (late) WHERE late IN (1, 2)", "i ON orders (late) WHERE late = ANY (ARRAY[1, 2])"),
    ("i ON orders (late) WHERE NOT late IS NULL", "i ON orders (late) WHERE NOT (late IS NULL)"),
    ("i ON orders (email DESC)", "i ON orders (email DESC NULLS FIRST)"),
    ("i ON orders (note text_ops)", "i ON orders (note)"),
    ("i ON orders USING gin (tags)", "i ON orders USING GIN (tags array_ops)"),
    ('"I x" ON orders ("Mixed")', 'IF NOT EXISTS "I x" ON "public"."orders" ("Mixed")'),
    ("i ON orders (late) WITH (fillfactor = 70)", "i ON orders (late) WITH (fillfactor=70)"),
    ("i ON orders (late) INCLUDE (note)", "i ON ONLY orders (late) INCLUDE (note)"),
    ("i ON orders (at) WHERE at > '2024-01-01'", "i ON orders (at) WHERE at > timestamptz '2024-01-01'"),
]

DIFFERENT = [
    ("i ON orders (email)", "i ON orders (note)", "columns"),
    ("i ON orders (late, id)", "i ON orders (id, late)", "columns"),
    ("i ON orders (lower(email))", "i ON orders (upper(email))", "columns"),
    ("i ON orders (late)", "i ON orders (late) WHERE late > 0", "WHERE"),
    ("i ON orders (late) WHERE late > 0", "i ON orders (late) WHERE late > 1", "WHERE"),
    ("i ON orders (note)", "i ON orders (note text_pattern_ops)", "operator class"),
    ("i ON orders (note)", 'i ON orders (note COLLATE "POSIX")', "collation"),
    ("i ON orders (late)", "i ON orders (late) INCLUDE (note)", "INCLUDE"),
    ("i ON orders (id, late)", "i ON orders (id) INCLUDE (late)", "columns, INCLUDE"),
    ("i ON orders (late)", "i ON orders (late DESC NULLS LAST)", "ASC/DESC or NULLS FIRST/LAST"),
    ("i ON orders (late)", "i ON orders USING hash (late)", "access method"),
    ("i ON orders (late)", "i ON orders (late) WITH (fillfactor = 70)", "WITH"),
]

UNIQUE = [
    ("INDEX i ON orders (late)", "UNIQUE INDEX CONCURRENTLY i ON orders (late)", "UNIQUE"),
    (
        "UNIQUE INDEX i ON orders (late)",
        "UNIQUE INDEX CONCURRENTLY i ON orders (late) NULLS NOT DISTINCT",
        "NULLS NOT DISTINCT",
    ),
]


def judge(project: Project, sql: str, *, search_path: Iterable[str] = ()) -> Verdict:
    (statement,) = read_statements(sql) or ()
    assert statement.new_index is not None
    with project.connection() as connection:
        return judge_index(connection, sql, statement.new_index, search_path=search_path)


@contextmanager
def transaction(project: Project, *statements: str, application: str = "psql") -> Iterator[Any]:
    """A transaction of somebody else that stays open."""
    connection = psycopg2.connect(project.url, application_name=application)
    try:
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection
    finally:
        connection.close()


@contextmanager
def at_work(project: Project, sql: str) -> Iterator[int]:
    """Somebody executes this statement; gives the process id of that session."""
    connection = psycopg2.connect(project.url, application_name="builder")
    connection.autocommit = True

    def execute() -> None:
        with suppress(psycopg2.errors.QueryCanceled), connection.cursor() as cursor:
            cursor.execute(sql)

    thread = threading.Thread(target=execute)
    thread.start()
    try:
        yield connection.info.backend_pid
        thread.join(timeout=20)
    finally:
        if thread.is_alive():
            connection.cancel()
            thread.join()
        connection.close()


@contextmanager
def as_owner(project: Project) -> Iterator[Project]:
    """The same database for a role that owns `orders` and has no other rights."""
    role = f"{project.url.rpartition('/')[2]}_owner"
    project.query(f"CREATE ROLE {role} LOGIN; ALTER TABLE orders OWNER TO {role}")
    try:
        yield Project(project.folder, project.url.replace("//postgres@", f"//{role}@"))
    finally:
        project.query(f"DROP OWNED BY {role}; DROP ROLE {role}")


def leave_invalid(project: Project, name: str = "i", table: str = "orders") -> None:
    """A build that really fails: somebody writes to the table for longer than its lock timeout."""
    with transaction(project, f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"), project.connection() as connection:
        connection.cursor().execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            connection.cursor().execute(f"{CREATE} {name} ON {table} (id)")


def is_valid(project: Project, name: str) -> bool:
    return bool(project.query(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")[0][0])


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_definitions_are_compared_as_postgresql_understands_them(project: Project) -> None:
    project.query(TABLE)
    for there, wanted in SAME:
        project.query(f"CREATE INDEX {there}")
        verdict = judge(project, f"{CREATE} {wanted}")
        assert verdict.action == "skip", (there, wanted, verdict)
        assert "valid and the same" in verdict.reason
        project.query('DROP INDEX IF EXISTS i, "I x"')
    different = [(f"INDEX {there}", f"INDEX CONCURRENTLY {wanted}", parts) for there, wanted, parts in DIFFERENT]
    for there, wanted, parts in different + UNIQUE:
        project.query(f"CREATE {there}")
        verdict = judge(project, f"CREATE {wanted}")
        assert verdict.action == "refuse", (there, wanted, verdict)
        assert f"(it differs in {parts})" in verdict.reason, (there, wanted, verdict)
        assert f"wanted: CREATE {wanted}" in verdict.reason
        assert "there:  CREATE" in verdict.reason
        assert "`DROP INDEX CONCURRENTLY public.i`" in verdict.hint
        project.query("DROP INDEX i")
    assert project.query("SELECT relname FROM pg_class WHERE relpersistence = 't'") == []


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_index_that_a_failed_build_left_invalid_is_dropped_and_built_again(project: Project) -> None:
    project.query(TABLE)
    project.query('CREATE SCHEMA "Odd one"')
    project.query('CREATE TABLE "Odd one"."T" (id int)')
    project.query('INSERT INTO "Odd one"."T" VALUES (1), (1)')
    unique = 'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I ""x" ON "Odd one"."T" (id)'
    with pytest.raises(psycopg2.errors.UniqueViolation):
        project.query(unique)
    project.query(unique)  # this is what IF NOT EXISTS does: it calls the broken index a success
    assert judge(project, unique) == Verdict(
        "rebuild",
        ('DROP INDEX CONCURRENTLY "Odd one"."I ""x"',),
        '`"Odd one"."I ""x"` is INVALID: an earlier build of it did not finish',
    )

    leave_invalid(project)
    verdict = judge(project, f"{CREATE} i ON orders (id)")
    assert (verdict.action, verdict.drops) == ("rebuild", ("DROP INDEX CONCURRENTLY public.i",))
    project.query(verdict.drops[0])
    assert judge(project, f"{CREATE} i ON orders (id)") == Verdict("build")
    project.query(f"{CREATE} i ON orders (id)")
    assert judge(project, f"{CREATE} i ON orders (id)").action == "skip"


def test_name_that_belongs_to_something_else_is_refused(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE TABLE others (id int, CONSTRAINT uq UNIQUE (id)); CREATE INDEX elsewhere ON others (id)")
    cases = {
        "others": "`public.others` is taken by something that is no index",
        "elsewhere": "`public.elsewhere` is taken by an index of another table: `CREATE INDEX elsewhere ON",
        "uq": "`public.uq` is taken by an index of another table",
        "orders_pkey": "`public.orders_pkey` is taken by the index of a constraint: `CREATE UNIQUE INDEX orders_pkey",
    }
    for name, expected in cases.items():
        verdict = judge(project, f"{CREATE} IF NOT EXISTS {name} ON orders (id)")
        assert verdict.action == "refuse"
        assert expected in verdict.reason
        assert "a name of its own" in verdict.hint
    leave_invalid(project, "broken", "others")
    assert judge(project, f"{CREATE} broken ON orders (id)").action == "refuse"
    assert judge(project, f"{CREATE} i ON nowhere (id)") == Verdict("build")


def test_index_without_a_name_is_not_built_twice(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE INDEX chosen_by_hand ON orders (late)")
    sql = f"{CREATE} ON orders (late)"
    assert judge(project, sql).action == "build"  # a revision may well replace that one
    project.query("CREATE INDEX ON orders (late) WHERE late > 0")
    assert judge(project, sql).action == "build"
    leave_invalid(project, "orders_late_idx1")
    assert judge(project, f"{CREATE} ON orders (id)").action == "build"  # it is named as for another column
    project.query("DROP INDEX orders_late_idx1")
    project.query("INSERT INTO orders (id, late) VALUES (1, 1), (2, 1)")
    unique = "CREATE UNIQUE INDEX CONCURRENTLY ON orders (late)"
    for _ in range(2):
        with pytest.raises(psycopg2.errors.UniqueViolation):
            project.query(unique)
    drops = ("DROP INDEX CONCURRENTLY public.orders_late_idx1", "DROP INDEX CONCURRENTLY public.orders_late_idx2")
    assert judge(project, unique).drops == drops
    assert judge(project, unique).action == "rebuild"
    project.query(sql)
    assert judge(project, sql) == Verdict(
        "skip", reason="`public.orders_late_idx3` is there already, valid and the same"
    )
    long = f'"{"t" * 40}" ("{"c" * 40}")'
    project.query(f'CREATE TABLE "{"t" * 40}" ("{"c" * 40}" int)')
    project.query(f"CREATE INDEX ON {long} WHERE true")
    project.query(f"CREATE INDEX ON {long}")
    assert judge(project, f"{CREATE} ON {long}").action == "skip"


def test_table_is_found_as_the_worker_finds_it(project: Project) -> None:
    project.query(TABLE)
    project.query("CREATE INDEX i ON orders (note)")
    project.query("CREATE SCHEMA tenant; CREATE TABLE tenant.orders (id int, note text)")
    sql = f"{CREATE} i ON orders (lower(note))"
    assert judge(project, sql).action == "refuse"
    assert judge(project, sql, search_path=["Nobody's", "tenant", "public"]).action == "build"
    project.query("CREATE INDEX i ON tenant.orders (lower(note))")
    assert judge(project, sql, search_path=["tenant"]).action == "skip"
    assert judge(project, f"{CREATE} i ON public.orders (lower(note))", search_path=["tenant"]).action == "refuse"


def test_without_the_right_to_make_temporary_tables_a_doubt_is_refused(project: Project) -> None:
    project.query(f"REVOKE TEMPORARY ON DATABASE {project.url.rpartition('/')[2]} FROM public")
    project.query(f"{TABLE}; CREATE INDEX i ON orders (lower(email))")
    with as_owner(project) as owner:
        assert judge(owner, f"{CREATE} i ON orders ((lower(email::text)))").action == "skip"
        verdict = judge(owner, f"{CREATE} i ON orders (lower(email))")
    assert verdict.action == "refuse"
    assert "could not be compared with the one that is wanted: permission denied to create temp" in verdict.reason
    assert "GRANT TEMPORARY" in verdict.hint


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_partitioned_tables_get_no_order_that_postgresql_refuses(project: Project) -> None:
    project.query("CREATE TABLE p (id int) PARTITION BY RANGE (id)")
    project.query("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
    verdict = judge(project, f"{CREATE} i ON p (id)")
    assert verdict.action == "refuse"
    assert "ATTACH PARTITION" in verdict.hint
    leave_invalid(project, "i1", "p1")
    assert judge(project, f"{CREATE} i1 ON p1 (id)").action == "rebuild"
    project.query("CREATE INDEX i ON ONLY p (id); ALTER INDEX i ATTACH PARTITION i1")
    verdict = judge(project, f"{CREATE} i1 ON p1 (id)")
    assert verdict.action == "refuse"
    project.query(verdict.hint.split("`")[1])
    assert judge(project, f"{CREATE} i1 ON p1 (id)").action == "skip"


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
