"""What an operator reads when something unusual is wrong: what, why, and a next command that is the right one."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from projects import BIN, finish

from tidegate.errors import UsageError
from tidegate.project.configuration import read_project
from tidegate.project.graph import read_graph

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

pytestmark = pytest.mark.deep


@pytest.mark.parametrize("content", [b"nonsense\n", b"[alembic]\nx = \xff\n", b"[alembic]\nx = 1\nx = 2\n"])
def test_a_configuration_that_cannot_be_read_names_the_place_and_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alembic.ini").write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read_project(str(tmp_path / "alembic.ini"))
    assert "alembic init" in (caught.value.hint or "")


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may read everything")
def test_a_configuration_that_we_may_not_read_is_not_called_one_without_a_section(project: Project) -> None:
    (project.folder / "alembic.ini").chmod(0)
    drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    result = finish(project.start([*drop, str(BIN / "tidegate"), "status"]))
    assert result.code == 64, result.err
    assert "permission denied" in result.err


def test_two_files_with_one_id_are_refused_by_every_look_and_not_only_by_the_run(project: Project) -> None:
    first = project.add_table("a")
    project.add_table("b", down="a")
    (first.parent / "copy.py").write_text(first.read_text())
    with pytest.raises(UsageError, match="present more than once") as caught:
        read_graph(read_project(str(project.folder / "alembic.ini")))
    assert "another id" in (caught.value.hint or "")


def test_a_revision_file_with_a_syntax_error_is_named_and_not_env_py(project: Project) -> None:
    project.add_table("a")
    broken = project.add_table("b", down="a")
    broken.write_text(broken.read_text().replace("def downgrade():", "def downgrade(:"))
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "mend `migrations/versions/b.py`" in result.err, result.err


@pytest.mark.parametrize("way", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_ends_in_the_middle_is_said_to_with_revision_and_statement(project: Project, way: str) -> None:
    project.add_table("a")
    project.add("b", f"import os; op.execute('CREATE TABLE half (id int)'); {way}", down="a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "in the middle of revision `b`, behind `CREATE TABLE half (id int)`" in result.err, result.err
    assert "Alembic ended without an error" not in result.err
    assert project.at() == ["a"]


def test_a_statement_timeout_of_the_database_is_told_with_what_gives_more_time(project: Project) -> None:
    name = project.url.rpartition("/")[2]
    project.query(f"ALTER DATABASE {name} SET statement_timeout = '200ms'")
    path = project.add("a", 'op.execute("SELECT pg_sleep(0.5)")')
    result = project.tidegate("upgrade")
    assert result.code == 10
    printed = "op.execute(\"SET LOCAL statement_timeout = '1h'\")"
    assert printed in result.err, result.err
    path.write_text(path.read_text().replace("    op.execute(", f"    {printed}; op.execute("))
    assert project.tidegate("upgrade").code == 0


def test_a_transaction_timeout_of_the_database_does_not_end_a_revision(project: Project) -> None:
    name = project.url.rpartition("/")[2]
    project.query(f"ALTER DATABASE {name} SET transaction_timeout = '300ms'")
    project.add("a", 'op.execute("SELECT pg_sleep(0.6)")')
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err


def test_a_role_that_owns_the_schema_of_the_record_needs_no_right_to_make_one(project: Project) -> None:
    name = project.url.rpartition("/")[2]
    role = f"owner_{name}"
    project.add_table("a")
    project.query(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA tidegate; GRANT USAGE ON SCHEMA tidegate TO {role}")
    project.query(f"GRANT CREATE ON SCHEMA public TO {role}")
    url, project.url = project.url, project.url.replace("postgres@", f"{role}@")
    try:
        refused = project.tidegate("upgrade")
        assert refused.code == 13
        command = f'ALTER SCHEMA tidegate OWNER TO "{role}"'
        assert f"`{command}`" in refused.err, refused.err
        project.url = url
        project.query(command)
        project.url = url.replace("postgres@", f"{role}@")
        done = project.tidegate("upgrade")
        assert done.code == 0, done.err
    finally:
        project.url = url
        project.query(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_check_for_a_role_that_is_not_there_says_so(project: Project) -> None:
    project.add_table("a")
    result = project.tidegate("check", "--as-role", "nobody_of_that_name")
    assert result.code == 13, result.err
    assert "there is no role `nobody_of_that_name`" in result.out


def test_a_bare_tidegate_shows_its_help_and_calls_it_no_error(project: Project) -> None:
    result = project.tidegate()
    assert result.code == 64
    assert result.err.startswith("Usage: tidegate"), result.err


def test_what_an_unforeseen_error_quotes_is_cleared_of_the_password(project: Project) -> None:
    project.add_table("a").write_text("import os\nraise RuntimeError(os.environ['DATABASE_URL'])\n")
    url = project.url.replace("postgres@", "postgres:geheim@")
    for arguments in (["upgrade"], ["downgrade", "base"], ["check"], ["doctor"], ["status"]):
        result = project.tidegate(*arguments, DATABASE_URL=url)
        assert result.code == 64 or arguments == ["doctor"], arguments
        assert "geheim" not in result.out + result.err, arguments
