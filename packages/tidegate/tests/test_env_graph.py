"""A project whose `env.py` decides where its revisions are, or in which kind of thread it runs, as Prefect's does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep

ELSEWHERE = """
from pathlib import Path

context.script.version_locations = [str(Path(__file__).parent / "postgresql")]
"""


def keep_revisions_elsewhere(project: Project) -> None:
    """What its `env.py` alone knows."""
    project.write_env(guard=False, top=ELSEWHERE)
    with (project.folder / "migrations" / "env.py").open("a") as env:
        env.write("\nif context.is_offline_mode():\n    context.configure(url='postgresql://')\n")
    for path in (project.folder / "migrations" / "versions").glob("*.py"):
        path.parent.with_name("postgresql").mkdir(exist_ok=True)
        path.rename(path.parent.with_name("postgresql") / path.name)


def test_revisions_that_only_env_py_can_find_are_pending_and_applied(project: Project) -> None:
    project.add_table("a")
    project.add_table("b", down="a")
    keep_revisions_elsewhere(project)
    assert project.tidegate("status", "--format", "json").json()["pending"] == ["a", "b"]
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.at() == ["b"]
    assert project.tidegate("status").code == 0


def test_without_a_revision_anywhere_an_env_py_that_fails_is_named(project: Project) -> None:
    project.write_env(top="print('on standard output')\nraise KeyError('SETTINGS')")
    result = project.tidegate("upgrade")
    assert result.code == 64
    assert "there is no revision file in" in result.err
    assert "KeyError: 'SETTINGS'" in result.err
    assert result.out == ""


def test_an_env_py_that_leaves_before_it_configures_is_named(project: Project) -> None:
    project.write_env(top="raise SystemExit(0)")
    result = project.tidegate("upgrade")
    assert result.code == 64
    assert "SystemExit" in result.err


def test_a_project_without_a_revision_is_current(project: Project) -> None:
    (project.folder / "migrations" / "env.py").write_text("from alembic import context\ncontext.configure(url='x://')")
    assert project.tidegate("upgrade").code == 0


def test_reading_the_revisions_connects_to_nothing(project: Project) -> None:
    project.add_table("a")
    keep_revisions_elsewhere(project)
    result = project.tidegate("wait", "--for-schema", "--timeout", "1s", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    assert result.code == 12, "the revisions were read, and then no database answered"


def test_an_env_py_that_wants_to_run_in_a_thread_beside_a_loop_gets_one(project: Project) -> None:
    pytest.importorskip("anyio", reason="where AnyIO is not installed, no `env.py` can ask for it")
    project.add_table("a")
    env = project.folder / "migrations" / "env.py"
    text = env.read_text().replace(
        "\n    run()\n", "\n    import anyio.from_thread\n    anyio.from_thread.run(migrate)\n"
    )
    env.write_text(text.replace("if not context", "async def migrate():\n    run()\n\nif not context"))
    assert "NoEventLoop" in project.run("alembic", "upgrade", "head", DATABASE_URL=project.url).err
    result = project.tidegate("upgrade")
    assert result.code == 0, result.err
    assert project.at() == ["a"]
