"""A start that has nothing to do is light: what it must not import, it does not import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from projects import Project


def test_importing_tidegate_imports_nothing_heavy(project: Project) -> None:
    code = "import tidegate, sys; print(sorted({'alembic', 'sqlalchemy', 'click', 'psycopg2'} & set(sys.modules)))"
    assert project.run("python", "-c", code).out == "[]\n"


def test_a_start_with_nothing_to_do_imports_neither_alembic_nor_sqlalchemy_nor_click(project: Project) -> None:
    project.add_table("a")
    project.tidegate("upgrade")
    code = (
        "import os, sys\n"
        "os.environ |= {'TIDEGATE_HEALTH_PORT': '1', 'TIDEGATE_BEFORE': 'false'}\n"
        "unwanted = {'alembic', 'sqlalchemy', 'click', 'asyncio', 'tidegate.run.guarded', 'tidegate.run.health'}\n"
        "os.execvp = lambda *_: print(sorted(unwanted & set(sys.modules)))\n"
        "sys.argv = ['tidegate', 'run', '--', 'true']\n"
        "from tidegate.cli import main\nmain()\n"
    )
    assert project.run("python", "-c", code).out == "[]\n"
