"""What people write in `env.py` and in revisions ends in success or in a named error, never in silence."""

from __future__ import annotations

import pytest
from projects import Project

pytestmark = pytest.mark.deep

BEFORE_CONFIGURE = 'connection.execute(text("SET lock_timeout = 0"))'


def test_plain_alembic_loses_everything_silently_when_env_py_executes_first(project: Project) -> None:
    """The trap itself: if this ever fails, Alembic has mended it and the hook below can go."""
    project.write_env(guard=False, before=BEFORE_CONFIGURE)
    project.add_table("a")
    assert project.run("alembic", "upgrade", "head").code == 0
    assert project.at() == []


@pytest.mark.parametrize("door", [("tidegate", "upgrade"), ("alembic", "upgrade", "head")])
def test_an_env_py_that_executes_before_configure_migrates_all_the_same(
    project: Project, door: tuple[str, ...]
) -> None:
    project.write_env(before=BEFORE_CONFIGURE)
    project.add_table("a")
    result = project.run(*door)
    assert result.code == 0, result.err
    assert project.at() == ["a"]


def test_an_env_py_that_commits_its_own_transaction_is_left_to_it(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    env.write_text(env.read_text().replace("engine.connect()", "engine.begin()"))
    project.add_table("a")
    project.add_table("b", down="a")
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.at() == ["b"]
    assert project.recorded() == [("a", "upgrade"), ("b", "upgrade")]


def test_an_env_py_that_rolls_back_is_a_named_error(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text()
        .replace("engine.connect() as connection:", "engine.connect() as connection, Rollback(connection):")
        .replace(
            "def run():",
            "class Rollback:\n    def __init__(self, c): self.t = c.begin(); self.t.__enter__()\n"
            "    def __enter__(self): pass\n    def __exit__(self, *a): self.t.rollback()\n\ndef run():",
        )
    )
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10, result.err
    assert "error" in result.err
    assert project.at() == []
    assert project.outcomes() == ["failed"]


def test_an_env_py_that_never_migrates_is_a_named_error(project: Project) -> None:
    (project.folder / "migrations" / "env.py").write_text("print('hello')")
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "never called `context.configure()`" in result.err


def test_an_env_py_that_connects_elsewhere_changes_nothing(project: Project) -> None:
    project.query("CREATE DATABASE elsewhere")
    other = project.url.rpartition("/")[0] + "/elsewhere"
    try:
        env = project.folder / "migrations" / "env.py"
        env.write_text(
            env.read_text()
            .replace('os.environ["DATABASE_URL"]', f'"{other}"')
            .replace('context.config.get_main_option("sqlalchemy.url") or', "")
        )
        project.add_table("a")
        result = project.tidegate("upgrade")
        assert result.code == 10
        assert "connects to another database" in result.err
        assert Project(project.folder, other).at() == project.at() == []
    finally:
        project.query("DROP DATABASE elsewhere WITH (FORCE)")


def test_a_program_that_runs_alembic_gets_an_exception_and_not_an_exit(project: Project) -> None:
    project.add("a", 'op.execute("nonsense")')
    (project.folder / "host.py").write_text(
        "from alembic import command\nfrom alembic.config import Config\nimport tidegate\n"
        "try:\n    command.upgrade(Config('alembic.ini'), 'head')\n"
        "except tidegate.MigrationFailed as exc:\n    print('caught', exc.sqlstate, exc.revision)\n"
    )
    assert project.run("python", "host.py").out == "caught 42601 a\n"


@pytest.mark.parametrize("command", [("current",), ("history",), ("upgrade", "head", "--sql"), ("check",)])
def test_alembics_other_commands_go_their_own_way(project: Project, command: tuple[str, ...]) -> None:
    project.add_table("a")
    if command == ("check",):
        project.tidegate("upgrade")
    assert project.run("alembic", *command).code == (255 if command == ("check",) else 0)  # no metadata to check
    assert project.outcomes() == (["succeeded"] if command == ("check",) else [])


def test_an_async_env_py_with_asyncpg_is_guarded_and_recorded(project: Project) -> None:
    (project.folder / "migrations" / "env.py").write_text(ASYNC_ENV_PY)
    project.add_table("a")
    project.add("b", 'op.execute("CREATE INDEX i ON t_a (id)")', down="a", phase="expand")
    result = project.tidegate("upgrade", DATABASE_URL=project.url.replace("postgresql:", "postgresql+asyncpg:"))
    assert result.code == 0, result.err
    assert project.query("SELECT id, parents, phase FROM tidegate.revision ORDER BY seq") == [
        ("a", [], None),
        ("b", ["a"], "expand"),
    ]


ASYNC_ENV_PY = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

def do_run_migrations(connection):
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()

async def run():
    section = context.config.get_section(context.config.config_ini_section, {})
    connectable = async_engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
    async with connectable.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await connectable.dispose()

asyncio.run(run())
"""


def test_a_version_table_of_its_own_is_found_through_the_record(project: Project) -> None:
    project.query("CREATE SCHEMA meta")
    env = project.folder / "migrations" / "env.py"
    env.write_text(env.read_text().replace("target_metadata=None", "version_table='at', version_table_schema='meta'"))
    project.add_table("a")
    assert project.tidegate("upgrade").code == 0
    assert project.query("SELECT version_num FROM meta.at") == [("a",)]
    assert project.tidegate("status").code == 0
    assert project.tidegate("upgrade").code == 0
    assert project.outcomes() == ["succeeded"]


def test_a_version_table_that_only_the_search_path_finds_is_verified(project: Project) -> None:
    project.query("CREATE SCHEMA app")
    project.write_env(before='connection.execute(text("SET search_path TO app"))')
    project.add_table("a")
    for _ in range(2):
        result = project.tidegate("upgrade")
        assert result.code == 0, result.err
    assert project.query("SELECT version_num FROM app.alembic_version") == [("a",)]
    assert project.outcomes() == ["succeeded"]


def test_an_env_py_that_loops_over_schemas_is_refused_and_not_believed(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    loop = (
        "for schema in ('x', 'y'):\n            context.configure(connection=connection, version_table_schema=schema)"
    )
    text = env.read_text().replace("context.configure(connection=connection, target_metadata=None)", loop)
    tail = "        with context.begin_transaction():\n            context.run_migrations()\n"
    assert tail in text
    env.write_text(
        text.replace(
            tail,
            tail.replace("        with", "            with").replace(
                "            context.run", "                context.run"
            ),
        )
    )
    project.query("CREATE SCHEMA x")
    project.query("CREATE SCHEMA y")
    project.add("a", "pass")
    result = project.tidegate("upgrade")
    assert result.code == 10
    assert "several version tables" in result.err


def test_a_transaction_that_env_py_began_by_hand_is_left_to_it(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    text = env.read_text().replace("context.configure(", "transaction = connection.begin()\n        context.configure(")
    env.write_text(
        text.replace(
            "            context.run_migrations()\n",
            "            context.run_migrations()\n        transaction.commit()\n",
        )
    )
    project.add_table("a")
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.at() == ["a"]


def test_a_url_for_another_driver_follows_the_one_that_the_ini_names(project: Project) -> None:
    ini = project.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "sqlalchemy.url = postgresql+psycopg2://u@nowhere/d\n")
    project.add_table("a")
    result = project.tidegate("upgrade", DATABASE_URL=project.url.replace("postgresql:", "postgresql+asyncpg:"))
    assert result.code == 0, result.err
