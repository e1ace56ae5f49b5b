"""`tidegate upgrade` on projects as Alembic's templates make them and as people edit them; none is changed for it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from conftest import execute
from projects import BIN, Project, finish, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

REVISION = '''
"""{id}."""
import sqlalchemy as sa
from alembic import op


revision: str = "{id}"
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    op.execute("SELECT pg_sleep(seconds) FROM pace")
    op.create_table("t_{id}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("t_{id}")
'''


@pytest.fixture
def bare(server: Cluster, tmp_path: Path) -> Iterator[Project]:
    """An empty folder and an empty database, whose URL is nowhere in the environment."""
    name = f"bare_{os.getpid()}_{abs(hash(tmp_path)) % 10**9}"
    execute(server.url, f"CREATE DATABASE {name}")
    project = Project(tmp_path, server.database_url(name), {"DATABASE_URL": ""})
    project.query("CREATE TABLE pace (seconds float)")
    project.query("INSERT INTO pace VALUES (20)")
    yield project
    execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def init(folder: Path, template: str, directory: str = "migrations") -> None:
    """What `alembic init -t TEMPLATE DIRECTORY` makes."""
    folder.mkdir(exist_ok=True)
    before = os.getcwd()  # noqa: PTH109 - `command.init` looks at it
    os.chdir(folder)
    try:
        config = Config("alembic.ini", toml_file="pyproject.toml")
        command.init(config, directory, template=template)
    finally:
        os.chdir(before)


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """What a user does in an editor."""
    text = path.read_text()
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new)
    path.write_text(text)


def add(
    folder: Path,
    id_: str,
    down: str | None = None,
    labels: str | None = None,
    depends_on: str | None = None,
) -> None:
    """A revision that sleeps as long as `pace` says and makes a table."""
    folder.mkdir(parents=True, exist_ok=True)
    text = REVISION.format(id=id_, down=down, labels=labels, depends_on=depends_on)
    (folder / f"{id_}_.py").write_text(text.lstrip())


def live(project: Project, tables: set[str], *options: str) -> None:
    """From nothing to head through a SIGKILL in the middle, nothing to do the second time, and all the way back."""
    first = project.start([str(BIN / "tidegate"), "upgrade", *options])
    try:
        until(project.sleepers, timeout=15, what="the first run is at work")
    except AssertionError:
        os.kill(first.pid, signal.SIGKILL)
        raise AssertionError(finish(first).err) from None
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    project.query("UPDATE pace SET seconds = 0")
    result = project.tidegate("upgrade", *options)
    assert result.code == 0, result.err
    assert made_tables(project) == tables
    runs = project.query("SELECT count(*) FROM tidegate.run")
    again = project.tidegate("upgrade", *options)
    assert (again.code, again.err) == (0, ""), again.err
    assert project.query("SELECT count(*) FROM tidegate.run") == runs
    status = project.tidegate("status", *options, "--format", "json")
    assert (status.code, status.json()["pending"]) == (0, []), status
    back = project.tidegate("downgrade", *options, "base")
    assert back.code == 0, back.err
    assert made_tables(project) == set()
    assert project.tidegate("status", *options).code == 7


def made_tables(project: Project) -> set[str]:
    return {row[0] for row in project.query("SELECT tablename FROM pg_tables WHERE tablename LIKE 't\\_%'")}


def with_driver(project: Project, driver: str) -> str:
    return project.url.replace("postgresql:", f"postgresql+{driver}:")


def test_the_generic_template_in_a_folder_of_its_own_with_psycopg_3(bare: Project) -> None:
    backend = bare.folder / "backend"
    init(backend, "generic", "alembic")
    url = with_driver(bare, "psycopg").replace("postgres@", "postgres:100%%25@")
    edit(backend / "alembic.ini", ("driver://user:pass@localhost/dbname", url), ("prepend_sys_path = .", ""))
    edit(backend / "alembic.ini", ("# timezone =", "prepend_sys_path = %(here)s/lib"))
    (backend / "lib").mkdir()
    (backend / "lib" / "models.py").write_text("from sqlalchemy import MetaData\nmetadata = MetaData()\n")
    edit(backend / "alembic" / "env.py", ("target_metadata = None", "from models import metadata as target_metadata"))
    add(backend / "alembic" / "versions", "a1")
    add(backend / "alembic" / "versions", "b2", "a1")
    live(bare, {"t_a1", "t_b2"}, "--config", "backend/alembic.ini")


def test_the_async_template_with_a_url_that_names_no_driver(bare: Project) -> None:
    init(bare.folder, "async")
    add(bare.folder / "migrations" / "versions", "a1")
    bare.environ["DATABASE_URL"] = bare.url + "?sslmode=prefer"
    live(bare, {"t_a1"})


def test_the_pyproject_template_with_settings_of_its_own_and_folders_in_folders(bare: Project) -> None:
    init(bare.folder, "pyproject")
    edit(
        bare.folder / "pyproject.toml",
        ("# recursive_version_locations = false", "recursive_version_locations = true"),
    )
    (bare.folder / "settings.py").write_text(
        "import os\n\nclass Settings:\n    def __init__(self):\n        self.dsn = os.environ['APP_DSN']\n"
    )
    edit(
        bare.folder / "migrations" / "env.py",
        ("from alembic import context\n", "from alembic import context\nfrom settings import Settings\n"),
        ("config.get_section(config.config_ini_section, {})", '{"sqlalchemy.url": Settings().dsn}'),
    )
    add(bare.folder / "migrations" / "versions" / "2026", "a1")
    add(bare.folder / "migrations" / "versions" / "2027", "b2", "a1")
    bare.environ |= {"APP_DSN": with_driver(bare, "psycopg2"), "TIDEGATE_DATABASE_URL": bare.url}
    live(bare, {"t_a1", "t_b2"})


def test_the_async_pyproject_template_with_psycopg_async_and_a_table_of_its_own(bare: Project) -> None:
    init(bare.folder, "pyproject_async")
    add(bare.folder / "migrations" / "versions", "a1")
    edit(
        bare.folder / "migrations" / "env.py",
        ("target_metadata=target_metadata)", "target_metadata=target_metadata, **TABLE)"),
        (
            "target_metadata = None",
            "target_metadata = None\nTABLE = dict(zip(['version_table', 'version_table_schema'], ['at', 'meta']))",
        ),
    )
    bare.query("CREATE SCHEMA meta")
    bare.environ["DATABASE_URL"] = with_driver(bare, "psycopg_async")
    live(bare, {"t_a1"})
    assert bare.query("SELECT to_regclass('meta.at') IS NOT NULL") == [(True,)]


def test_two_sections_with_a_version_table_each_share_a_database(bare: Project) -> None:
    init(bare.folder, "generic")
    ini = bare.folder / "alembic.ini"
    section = f"[alembic]\npath_separator = os\nsqlalchemy.url = {with_driver(bare, 'psycopg2')}\nscript_location"
    more = section.replace("[alembic]", "[billing]") + " = %(here)s/billing\n\n"
    edit(ini, ("[alembic]\n", more + "[alembic]\n"), ("driver://user:pass@localhost/dbname", bare.url))
    shutil.copytree(bare.folder / "migrations", bare.folder / "billing")
    edit(
        bare.folder / "billing" / "env.py",
        ("target_metadata=target_metadata\n", 'target_metadata=target_metadata, version_table="billing_version"\n'),
    )
    add(bare.folder / "billing" / "versions", "x9")
    versions = bare.folder / "migrations" / "versions"
    versions.joinpath("a1.py").write_text('revision = "a1"\ndown_revision = None\ndef upgrade(): pass\n')
    assert bare.tidegate("upgrade").code == 0
    live(bare, {"t_x9"}, "--name", "billing")
    assert bare.tidegate("status").code == 0
    assert_another_projects_table_need_not_be_readable(bare)
    assert bare.at() == ["a1"]


def assert_another_projects_table_need_not_be_readable(project: Project) -> None:
    project.query("CREATE ROLE server LOGIN")
    try:
        project.query("DELETE FROM alembic_version")
        project.query("GRANT SELECT ON alembic_version TO server")
        result = project.tidegate("status", DATABASE_URL=project.url.replace("postgres@", "server@"))
        assert (result.code, result.err) == (7, "")
        project.query("INSERT INTO alembic_version VALUES ('a1')")
    finally:
        project.query("DROP OWNED BY server; DROP ROLE server")


def test_branches_in_several_locations_of_a_package(bare: Project) -> None:
    init(bare.folder, "generic", "app/db")
    for folder in ("app", "app/db"):
        (bare.folder / folder / "__init__.py").touch()
    edit(
        bare.folder / "alembic.ini",
        ("script_location = %(here)s/app/db", "script_location = app:db"),
        ("# version_locations = %(here)s/bar:%(here)s/bat:", "version_locations = app:db/core:%(here)s/jobs:"),
        ("path_separator = os", "path_separator = ;"),
        ("app:db/core:%(here)s/jobs:%(here)s/alembic/versions", "app:db/core;%(here)s/jobs"),
        ("driver://user:pass@localhost/dbname", bare.url),
    )
    add(bare.folder / "app" / "db" / "core", "c1", labels="core")
    add(bare.folder / "app" / "db" / "core", "c2", "c1")
    add(bare.folder / "jobs", "j1", labels="jobs", depends_on="c1")
    bare.query("UPDATE pace SET seconds = 0")
    one = bare.tidegate("upgrade", "jobs@head")
    assert one.code == 0, one.err
    assert made_tables(bare) == {"t_c1", "t_j1"}
    assert bare.tidegate("status").code == 3
    runs = bare.query("SELECT count(*) FROM tidegate.run")
    assert bare.tidegate("upgrade", "jobs@head").code == 0
    assert bare.query("SELECT count(*) FROM tidegate.run") == runs, "the branch was at its head already"
    bare.query("UPDATE pace SET seconds = 20")
    live(bare, {"t_c1", "t_c2", "t_j1"})


def test_the_template_for_several_databases_is_refused_with_the_way_out(bare: Project) -> None:
    init(bare.folder, "multidb")
    for verb in ("upgrade", "status"):
        result = bare.tidegate(verb, "--database-url", bare.url)
        assert result.code == 64
        assert "`alembic.ini` describes several databases in one project (`engine1`, `engine2`)" in result.err
        assert "tidegate upgrade --name engine1" in result.err


def test_without_a_url_the_error_says_what_was_in_the_three_places_and_its_command_works(bare: Project) -> None:
    init(bare.folder, "generic")
    edit(
        bare.folder / "migrations" / "env.py",
        ("config = context.config\n", 'config = context.config\nimport os\nurl = os.environ["APP_DSN"]\n'),
        ("config.get_section(config.config_ini_section, {})", '{"sqlalchemy.url": url}'),
    )
    bare.environ |= {"APP_DSN": bare.url, "PATH": f"{BIN}:{os.environ['PATH']}"}
    bare.query("UPDATE pace SET seconds = 0")
    add(bare.folder / "migrations" / "versions", "a1")
    result = bare.tidegate("upgrade")
    assert result.code == 64
    assert "`--database-url`:     not given" in result.err
    assert "`DATABASE_URL` is empty" in result.err
    assert "section `[alembic]`, is still the placeholder of Alembic's template" in result.err
    edit(bare.folder / "alembic.ini", ("driver://user:pass@localhost/dbname", "postgresql://u:%(DB_PASS)s@h/d"))
    result = bare.tidegate("upgrade")
    assert "needs `%(DB_PASS)s`, which the file does not have" in result.err
    hint = re.search(r"`(export [^`]+)`", result.err)
    assert hint, result.err
    repeated = finish(bare.start(["sh", "-c", f"{hint[1]} && tidegate upgrade"]))
    assert repeated.code == 0, repeated.err
    assert made_tables(bare) == {"t_a1"}
