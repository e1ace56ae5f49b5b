"""A downgrade that loses rows needs the operator's yes, by whichever door, and is told what it loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import new_project

from tidegate.errors import UsageError
from tidegate.report.target import find_target
from tidegate.run.confirmation import refuse_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from projects import Project
    from tools.postgres import Cluster

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def books(servers: Callable[[str], Cluster], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Revision a makes tables, b adds a column, c does neither; the database is at c, with rows in it."""
    with new_project(servers("embedded"), tmp_path_factory.mktemp("books")) as project:
        project.add(
            "a",
            "op.execute('CREATE TABLE expense (id int); CREATE TABLE \"Odd Name\" (); CREATE TABLE spare (id int)')",
            downgrade='op.drop_table("expense"); op.drop_table("Odd Name"); op.drop_table("spare")',
        )
        add, drop = 'op.add_column("expense", sa.Column("note", sa.Text))', 'op.drop_column("expense", "note")'
        project.add("b", add, down="a", downgrade=drop)
        project.add("c", "pass", down="b")
        assert project.tidegate("upgrade").code == 0
        project.query("INSERT INTO expense SELECT n, 'x' FROM generate_series(1, 1234) n")
        project.query('INSERT INTO "Odd Name" DEFAULT VALUES')
        yield project


def refusal(project: Project, downgrade: str, *, target: str = "c") -> list[str]:
    """The list of what is lost by taking back a revision d with this body, and all below it down to the target."""
    path = project.add("d", "pass", down="c", downgrade=downgrade)
    found = find_target(str(project.folder / "alembic.ini"), database_url=project.url)
    request = found.request("tidegate downgrade", direction="downgrade", target=target)
    try:
        with project.connection() as connection:
            refuse_loss(connection, request, ["d"])
    except UsageError as exc:
        return exc.message.split("\n  ")[1:]
    finally:
        path.unlink()
    return []


def test_a_downgrade_that_drops_rows_lists_them_and_changes_nothing(books: Project) -> None:
    before = books.outcomes()
    result = books.tidegate("downgrade", "base")
    assert (result.code, result.out) == (64, "")
    assert result.err == (
        "error: `tidegate downgrade base` would lose data, and nothing was changed:\n"
        "  column expense.note: 1,234 rows\n"
        "  table expense: 1,234 rows\n"
        '  table "Odd Name": 1 row\n'
        "\n"
        "hint: back up and go on: `tidegate downgrade base --yes --before 'pg_dump -Fc -f before-downgrade.dump'`; "
        "or without a backup: `tidegate downgrade base --yes`\n"
    )
    assert (books.at(), books.outcomes()) == (["c"], before)


def test_what_cannot_be_told_from_the_code_is_listed_with_the_reason(books: Project) -> None:
    assert refusal(books, "[op.drop_table(name) for name in ('spare',)]") == [
        "revision d, line 17: may drop rows: it drops a table whose name is no literal: `op.drop_table(name)`"
    ]


def test_a_table_that_an_earlier_step_renames_is_not_taken_for_one_that_is_not_there(books: Project) -> None:
    assert refusal(books, "op.rename_table('gone', 'expense'); op.drop_table('later')") == [
        "revision d, line 17: may drop rows: `later` has another name before an earlier step renames it"
    ]
    assert refusal(books, "op.drop_table('later')") == []


def test_a_large_table_is_estimated_and_a_locked_one_is_taken_to_hold_rows(books: Project) -> None:
    books.query("CREATE TABLE big (id int, pad char(500) DEFAULT 'x', empty text)")
    books.query("INSERT INTO big SELECT n FROM generate_series(1, 40000) n; ANALYZE big")
    assert refusal(books, "op.drop_table('big')") == ["table big: 40,000 rows (estimated)"]
    assert refusal(books, "op.drop_column('big', 'pad')") == ["column big.pad: up to 40,000 rows (estimated)"]
    assert refusal(books, "op.drop_column('big', 'empty')") == []
    with books.connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE big")
        assert refusal(books, "op.drop_table('big')") == ["table big: 40,000 rows (estimated)"]


def test_partitions_and_tables_of_other_schemas_are_counted_too(books: Project) -> None:
    books.query("CREATE TABLE parted (id int) PARTITION BY RANGE (id)")
    books.query(
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (1), (2)"
    )
    books.query("CREATE SCHEMA tenant; CREATE TABLE tenant.parcel (id int); INSERT INTO tenant.parcel VALUES (1)")
    assert refusal(books, "op.drop_table('parted'); op.drop_table('parcel', schema='tenant')") == [
        "table parted: 2 rows",
        "table tenant.parcel: 1 row",
    ]
    assert refusal(books, "op.execute('TRUNCATE parcel')") == ["rows of table tenant.parcel: 1 row"], (
        "another search path"
    )


def test_a_bare_alembic_downgrade_needs_the_same_yes(books: Project) -> None:
    refused = books.run("alembic", "downgrade", "a")
    assert refused.code == 64
    assert "column expense.note: 1,234 rows" in refused.err
    assert "`TIDEGATE_YES=1 TIDEGATE_BEFORE='pg_dump -Fc -f before-downgrade.dump' alembic downgrade a`" in refused.err
    assert books.at() == ["c"]
    assert books.run("alembic", "downgrade", "a", TIDEGATE_YES="1").code == 0
    assert books.at() == ["a"]


def test_a_downgrade_that_loses_nothing_needs_no_yes(books: Project) -> None:
    books.query('DELETE FROM expense; TRUNCATE "Odd Name"')
    books.run("alembic", "downgrade", "a", TIDEGATE_YES="1")  # wherever the tests before have left it
    runs = len(books.outcomes())
    assert books.tidegate("downgrade", "a", "--before", "false").code == 0, "it is there already"
    assert len(books.outcomes()) == runs
    assert books.tidegate("downgrade", "base").code == 0
    assert books.at() == []
