"""An index that an earlier attempt left behind is judged by what PostgreSQL says of it, not by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS
from index_cases import CREATE, TABLE, as_owner, judge, leave_invalid

from tidegate.index.verdict import (
    Verdict,
)

if TYPE_CHECKING:
    from projects import Project

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
