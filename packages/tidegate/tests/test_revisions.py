"""What revisions do and how they fail: the error names revision, statement and reason, and says what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_journal import DRIVERS, use_driver

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep


@pytest.mark.parametrize(
    "commit", ['op.execute("COMMIT")', "op.get_bind().commit()", "op.get_bind().connection.commit()"]
)
def test_a_revision_that_commits_by_itself_ends_in_success_or_in_a_named_error(project: Project, commit: str) -> None:
    project.add("a", f'op.execute("CREATE TABLE t_a (id int)"); {commit}; op.execute("CREATE TABLE t_b (id int)")')
    result = project.tidegate("upgrade")
    if result.code == 0:
        assert project.at() == ["a"]
        assert project.query("SELECT to_regclass('t_a'), to_regclass('t_b')") == [("t_a", "t_b")]
    else:
        assert result.code == 10
        assert "revision `a` failed after part of it was committed" in result.err
        assert project.at() == []


FAILURES = {"in Python": "raise ValueError('the moon is full')", "on the server": 'op.execute("SELECT 1/0")'}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_what_the_driver_was_told_past_sqlalchemy_is_named_truly(
    project: Project, driver: str, failure: str, ending: str
) -> None:
    use_driver(project, driver)
    project.add(
        "a", f'op.execute("CREATE TABLE t_a (id int)"); op.get_bind().connection.{ending}(); {FAILURES[failure]}'
    )
    result = project.tidegate("upgrade")
    assert result.code == 10
    stays = project.query("SELECT to_regclass('t_a') IS NOT NULL") == [(True,)]
    assert stays == (ending == "commit")
    if stays:
        assert "revision `a` failed after part of it was committed" in result.err
        assert "committed: CREATE TABLE t_a (id int)" in result.err
    else:
        assert "revision `a` failed and was rolled back" in result.err
        assert "committed: " not in result.err


def test_a_failing_revision_is_rolled_back_and_named_with_statement_reason_and_next_command(project: Project) -> None:
    project.add_table("a")
    path = project.add(
        "b", 'op.execute("CREATE TABLE t_b (id int)"); op.execute("ALTER TABLE nowhere ADD x int")', down="a"
    )
    result = project.run("alembic", "upgrade", "head")
    assert result.code == 10
    assert "revision `b` failed and was rolled back" in result.err
    assert '"nowhere" does not exist (SQLSTATE 42P01)' in result.err
    assert "statement: ALTER TABLE nowhere ADD x int" in result.err
    assert "`alembic upgrade head` again" in result.err
    assert project.at() == ["a"]
    assert project.query("SELECT to_regclass('t_b')") == [(None,)]
    path.unlink()
    project.add_table("b", down="a")
    assert project.run("alembic", "upgrade", "head").code == 0
    assert project.outcomes() == ["failed", "succeeded"]


def test_a_failure_in_python_shows_where(project: Project) -> None:
    project.add("a", "raise ValueError('the moon is full')")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "revision `a` failed and was rolled back: ValueError: the moon is full" in result.err
    assert "versions/a.py" in result.err


def test_statement_parameters_and_passwords_are_never_shown(project: Project) -> None:
    secret = "hunter2-geheim"
    project.add(
        "a",
        f'op.get_bind().execute(sa.text("SELECT 1/0 FROM (SELECT CAST(:p AS text)) s"), {{"p": "{secret}"}})',
    )
    url = project.url.replace("postgres@", f"postgres:{secret}@")
    result = project.tidegate("upgrade", DATABASE_URL=url)
    assert result.code == 10
    assert secret not in result.err + result.out
    assert secret not in str(project.query("SELECT * FROM tidegate.run"))


def test_a_failure_after_a_commit_in_the_middle_of_a_statement_is_not_called_rolled_back(project: Project) -> None:
    project.add("a", 'op.execute("CREATE TABLE t_a (id int); /* now */ COMMIT; SELECT nonsense")')
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "rolled back" not in result.err
    assert "after part of it was committed" in result.err


def test_a_failure_under_autocommit_is_not_called_rolled_back(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace("poolclass=pool.NullPool", "poolclass=pool.NullPool, isolation_level='AUTOCOMMIT'")
    )
    project.add("a", 'op.execute("CREATE TABLE t_a (id int)"); op.execute("nonsense")')
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "after part of it was committed" in result.err
    assert project.query("SELECT to_regclass('t_a')") == [("t_a",)]


@pytest.mark.parametrize(
    "body",
    [
        """op.execute("CREATE ROLE x LOGIN PASSWORD 'hunter2-geheim' nonsense")""",
        """op.get_bind().execute(sa.text("SELECT :a, :b"), {"a": "hunter2-geheim"})""",
    ],
)
def test_secrets_in_statements_and_parameters_are_not_shown(project: Project, body: str) -> None:
    project.add("a", body)
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "hunter2" not in result.err + str(project.query("SELECT * FROM tidegate.run"))


def test_what_a_revision_leaves_running_in_the_background_does_not_hold_the_run(project: Project) -> None:
    project.add("a", 'import os; os.system("sleep 25 >/dev/null 2>&1 &")')
    assert project.tidegate("upgrade", timeout=15).code == 0


def test_what_a_revision_prints_before_it_fails_is_seen(project: Project) -> None:
    project.add("a", 'print("half way there"); op.execute("nonsense")')
    assert "half way there" in project.tidegate("upgrade").err
