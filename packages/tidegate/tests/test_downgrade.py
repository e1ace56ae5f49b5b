"""A downgrade that loses rows needs the operator's yes, by whichever door, and is told what it loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import MAJORS

if TYPE_CHECKING:
    from projects import Project


@pytest.fixture
def books(project: Project) -> Project:
    """Revision a makes a table, b adds a column, c does neither; the database is at c, with rows in it."""
    project.add(
        "a",
        "op.execute('CREATE TABLE expense (id int); CREATE TABLE \"Odd Name\" (id int); CREATE TABLE spare (id int)')",
        downgrade='op.drop_table("expense"); op.drop_table("Odd Name"); op.drop_table("spare")',
    )
    add, drop = 'op.add_column("expense", sa.Column("note", sa.Text))', 'op.drop_column("expense", "note")'
    project.add("b", add, down="a", downgrade=drop)
    project.add("c", "pass", down="b")
    assert project.tidegate("upgrade").code == 0
    project.query(
        "INSERT INTO expense SELECT n, 'x' FROM generate_series(1, 1234) n; INSERT INTO \"Odd Name\" VALUES (1)"
    )
    return project


@pytest.mark.parametrize("server", MAJORS, indirect=True)
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
    assert books.tidegate("downgrade", "base", "--yes").code == 0
    assert books.at() == []


def test_a_downgrade_that_loses_nothing_needs_no_yes(books: Project) -> None:
    assert books.tidegate("downgrade", "-1").code == 0
    books.query("UPDATE expense SET note = NULL")
    assert books.tidegate("downgrade", "a").code == 0, "a column that is empty holds nothing"
    books.query('DELETE FROM expense; TRUNCATE "Odd Name"')
    assert books.tidegate("downgrade", "base").code == 0
    assert books.tidegate("upgrade", "a").code == 0
    runs = len(books.outcomes())
    assert books.tidegate("downgrade", "a", "--before", "false").code == 0, "it is there already"
    assert len(books.outcomes()) == runs


def test_a_bare_alembic_downgrade_needs_the_same_yes(books: Project) -> None:
    refused = books.run("alembic", "downgrade", "a")
    assert refused.code == 64
    assert "column expense.note: 1,234 rows" in refused.err
    assert "`TIDEGATE_YES=1 TIDEGATE_BEFORE='pg_dump -Fc -f before-downgrade.dump' alembic downgrade a`" in refused.err
    assert books.at() == ["c"]
    assert books.run("alembic", "downgrade", "a", TIDEGATE_YES="perhaps").code == 64
    assert books.run("alembic", "downgrade", "a", TIDEGATE_YES="1").code == 0
    assert books.at() == ["a"]


def test_what_cannot_be_told_from_the_code_needs_the_yes_too_and_says_why(books: Project) -> None:
    books.add("d", "pass", down="c", downgrade='[op.drop_table(name) for name in ("expense",)]')
    books.tidegate("upgrade")
    result = books.tidegate("downgrade", "c")
    assert result.code == 64
    assert (
        "  revision d, line 17: may drop rows: it drops a table whose name is no literal: `op.drop_table(name)`\n"
        in result.err
    )


def test_a_table_that_an_earlier_step_renames_is_not_taken_for_one_that_is_not_there(books: Project) -> None:
    books.add("d", 'op.rename_table("expense", "outlay")', down="c", downgrade='op.rename_table("outlay", "expense")')
    books.tidegate("upgrade")
    result = books.tidegate("downgrade", "base")
    assert result.code == 64
    assert "may drop rows: `expense` has another name" in result.err


def test_a_large_table_is_estimated_and_a_locked_one_is_taken_to_hold_rows(books: Project) -> None:
    books.query("CREATE TABLE big (id int, pad char(500) DEFAULT 'x')")
    books.query("INSERT INTO big SELECT n FROM generate_series(1, 40000) n; ANALYZE big")
    books.add("d", "pass", down="c", downgrade='op.drop_table("big")')
    books.tidegate("upgrade")
    assert "table big: 40,000 rows (estimated)" in books.tidegate("downgrade", "c").err
    with books.connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE big")
        assert "table big: 40,000 rows (estimated)" in books.tidegate("downgrade", "c").err
