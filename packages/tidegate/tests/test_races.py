"""However many processes start, and by whichever door, one migrates and the others find nothing to do."""

from __future__ import annotations

import itertools
import os

import pytest
from conftest import MAJORS
from projects import DOORS, Project, finish

pytestmark = pytest.mark.deep

ROUNDS = int(os.environ.get("TIDEGATE_ROUNDS", "2"))
"""How often each race is run, on the two majors in turn; `.ci/run` says 20."""

EACH_ROUND = pytest.mark.parametrize(
    ("server", "round_"), [(MAJORS[number % len(MAJORS)], number) for number in range(ROUNDS)], indirect=["server"]
)

PROCESSES = 8


def race(project: Project) -> list[int]:
    doors = itertools.islice(itertools.cycle(DOORS.values()), PROCESSES)
    results = [finish(process, timeout=120) for process in [project.start(door) for door in doors]]
    assert {result.code for result in results} == {0}, "\n".join(result.err for result in results)
    return [result.code for result in results]


@EACH_ROUND
def test_on_an_empty_database_one_process_migrates_and_none_fails(project: Project, round_: int) -> None:
    project.add_table("a", seconds=0.1)
    project.add("b", """op.execute("INSERT INTO t_a VALUES (1)")""", down="a")
    project.add_table("c", down="b", seconds=0.1)
    race(project)
    assert project.at() == ["c"]
    assert project.query("SELECT count(*) FROM t_a") == [(1,)]
    assert project.recorded() == [("a", "upgrade"), ("b", "upgrade"), ("c", "upgrade")]
    assert project.outcomes() == ["succeeded"], round_


@EACH_ROUND
def test_on_an_existing_database_each_pending_revision_is_applied_once(project: Project, round_: int) -> None:
    project.add_table("a")
    assert project.tidegate("upgrade").code == 0
    project.add("b", """op.execute("INSERT INTO t_a VALUES (1)")""", down="a")
    project.add_table("c", down="b", seconds=0.1)
    race(project)
    assert project.query("SELECT count(*) FROM t_a") == [(1,)]
    assert project.recorded() == [("a", "upgrade"), ("b", "upgrade"), ("c", "upgrade")]
    assert project.outcomes() == ["succeeded", "succeeded"], round_


def test_one_run_that_passes_both_doors_does_not_wait_for_itself(project: Project) -> None:
    project.add_table("a", seconds=0.1)
    result = project.tidegate("run", "--", DOORS["alembic upgrade head"][0], "upgrade", "head", timeout=20)
    assert result.code == 0, result.err
    assert project.recorded() == [("a", "upgrade")]


def test_a_waiter_does_not_hang_a_concurrent_index_build(project: Project) -> None:
    project.add_table("a", seconds=1.5)
    project.add(
        "b",
        'ctx = op.get_context().autocommit_block(); ctx.__enter__(); op.execute("CREATE INDEX CONCURRENTLY t_a_id '
        'ON t_a (id)"); ctx.__exit__(None, None, None)',
        down="a",
    )
    results = [finish(process, timeout=20) for process in [project.start(DOORS["tidegate upgrade"]) for _ in range(3)]]
    assert [result.code for result in results] == [0, 0, 0], results[0].err
    assert project.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a_id'::regclass") == [(True,)]


def test_with_nothing_to_do_nothing_is_locked_or_recorded(project: Project) -> None:
    project.add_table("a")
    project.tidegate("upgrade")
    with project.connection() as holder, holder.cursor() as cursor:
        from tidegate.database.lock import MUTEX  # noqa: PLC0415 - beside its use

        cursor.execute("SELECT pg_advisory_lock(%s)", (MUTEX,))
        for door in DOORS.values():
            assert finish(project.start(door), timeout=10).code == 0
    assert project.outcomes() == ["succeeded"]
