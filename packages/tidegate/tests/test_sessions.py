"""Which sessions of a worker are working sessions, and which make it stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conftest import execute

if TYPE_CHECKING:
    from projects import Project
    from tools.postgres import Cluster

SQLITE = 'sa.create_engine("sqlite://")'


def test_a_revision_may_use_another_kind_of_database_beside(project: Project) -> None:
    project.add("a", f'c = {SQLITE}.connect(); c.exec_driver_sql("CREATE TABLE x (id int)"); op.execute("SELECT 1")')
    assert project.tidegate("upgrade").code == 0
    assert project.at() == ["a"]


def test_an_env_py_of_another_kind_of_database_is_refused(project: Project) -> None:
    project.write_env(top="import sqlalchemy as sa", before=f"connection = {SQLITE}.connect()")
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "`env.py` connects to sqlite; tidegate guards PostgreSQL only; nothing was changed" in result.err


def test_an_env_py_that_connects_elsewhere_is_refused(project: Project, server: Cluster) -> None:
    project.write_env(before=f'connection = create_engine("{server.url}".replace("://", "+psycopg2://")).connect()')
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "another database than the one that is locked" in result.err
    execute(server.url, "DROP TABLE IF EXISTS t_a")


def test_a_transaction_that_env_py_begins_itself_is_its_own_to_commit(project: Project) -> None:
    project.write_env(before="connection.begin()")
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "what it did was rolled back" in result.err
    assert project.at() == []
    env = project.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace(
            "            context.run_migrations()", "            context.run_migrations()\n        connection.commit()"
        )
    )
    assert project.tidegate("upgrade").code == 0
    assert project.at() == ["a"]
