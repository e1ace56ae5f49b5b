"""The revisions of a project whose `env.py` alone knows where they are: asked of `env.py`, in a process of its own.

Prefect keeps one set of revisions for PostgreSQL and one for SQLite, its configuration file names neither, and its
`env.py` sets `context.script.version_locations`. Alembic's own `history` shows nothing there; only a run finds them.
So `env.py` is run in Alembic's offline mode as far as `context.configure()` and no further: it connects to nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tidegate.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tidegate.project.configuration import Project
    from tidegate.project.graph import Revision

VARIABLE = "TIDEGATE_ENV_GRAPH"
"""Environment variable of the child that holds what it needs to know; removed before `env.py` runs."""

TIMEOUT_S = 120.0
"""How long an `env.py` may take to come to `configure()`. It has to import its application, some seconds of work."""


class _Configured(BaseException):
    """`env.py` has come to `context.configure()`; a base exception, so that no `except Exception` of its keeps it."""


def revisions_of_env_py(project: Project) -> list[Revision]:
    """The revisions that `env.py` would migrate.

    Raises:
        UsageError: It did not come to `context.configure()`.
    """
    from tidegate.project.graph import revision_from

    try:
        answer = json.loads(_ask(project))
    except (ValueError, subprocess.TimeoutExpired):
        answer = {"error": "it ended without a word"}
    if "error" in answer:
        raise UsageError(
            f"there is no revision file in {_where(project)}, and `env.py` does not say where they are: "
            f"{answer['error']}",
            hint="correct `script_location` or `version_locations` in the configuration file, or mend `env.py`: "
            "`alembic upgrade head --sql` runs it in the same way",
        )
    return [revision_from(facts) for facts in answer["revisions"]]


def _ask(project: Project) -> str:
    paths = [os.path.abspath(folder) for folder in sys.path if folder]
    question = json.dumps({"project": project._asdict(), "sys_path": paths})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tidegate.project.env_graph"],
        env={**os.environ, VARIABLE: question},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.stdout


def _where(project: Project) -> str:
    location = project.options.get("version_locations") or project.options.get("script_location")
    return f"`{location}`" if location else "the project"


def main() -> None:
    """Answer on standard output which revisions this project has."""
    question = json.loads(os.environ.pop(VARIABLE))
    sys.path.extend(folder for folder in question["sys_path"] if folder not in sys.path)
    answers = os.dup(1)
    os.dup2(2, 1)  # what an env.py prints is not the answer
    try:
        found = _run_env_py(question["project"])
        answer: dict[str, Any] = {"revisions": [revision._asdict() for revision in found]}
    except BaseException as exc:  # noqa: BLE001 - whatever an env.py does, the parent must hear of it
        answer = {"error": f"{type(exc).__name__}: {exc}"}
    with os.fdopen(answers, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    sys.stdout.flush()
    os._exit(0)  # threads that an env.py has left must not keep us


def _run_env_py(facts: dict[str, Any]) -> Sequence[Revision]:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    from tidegate.project.alembic_config import alembic_config
    from tidegate.project.configuration import Project
    from tidegate.project.graph import revisions_of_script

    config = alembic_config(Project(**facts))
    script = ScriptDirectory.from_config(config)
    environment = EnvironmentContext(config, script, as_sql=True)

    def configure(*_: Any, **_options: Any) -> None:
        raise _Configured

    environment.configure = configure  # type: ignore[method-assign]  # on this one environment, on purpose
    try:
        with environment:
            script.run_env()
    except _Configured:
        return revisions_of_script(environment.script)
    raise RuntimeError("it never calls `context.configure()`")


if __name__ == "__main__":
    main()
