"""The revisions as Alembic itself sees them, where reading the files is not enough.

Asked in a process of its own, since it runs the top level of every revision file and puts the project's folders on
`sys.path`; a host, such as a server with a gate, is to keep its own modules and paths.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tidegate.errors import UsageError
from tidegate.project.configuration import Project
from tidegate.project.graph import Graph, revision_from, revisions_of_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HINT = "`alembic heads` shows whether Alembic can read them"
_TWICE = "give one of the two files another id; `grep -r '^revision' PATH_OF_THE_REVISIONS` finds them"


def exact_graph(project: Project) -> Graph:
    """The revisions as Alembic itself sees them.

    Raises:
        UsageError: Alembic cannot make sense of them; caused by a KeyError with the id if a file is missing.
    """
    paths = [os.path.abspath(folder) for folder in sys.path if folder]
    question = json.dumps({"project": project._asdict(), "sys_path": paths})
    command = [sys.executable, "-P", "-m", "tidegate.project.exact"]
    done = subprocess.run(command, input=question, stdout=subprocess.PIPE, text=True, check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"error": f"reading the revisions ended with exit code {done.returncode}"}
    if "error" in answer:
        cause = KeyError(answer["missing"]) if "missing" in answer else None
        raise UsageError(answer["error"], hint=answer.get("hint", _HINT)) from cause
    return Graph(revision_from(facts) for facts in answer["revisions"])


def main() -> None:
    """Read a project from standard input and answer its revisions, or what is wrong with them, as JSON."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a revision file prints is no answer
    question = json.load(sys.stdin)
    sys.path.extend(folder for folder in question["sys_path"] if folder not in sys.path)
    with answers:
        json.dump(_read(Project(**question["project"])), answers)


def _read(project: Project) -> dict[str, Any]:
    import warnings

    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    from tidegate.project.alembic_config import alembic_config

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Revision .* is present more than once")
            warnings.filterwarnings("ignore", message="Revision .* is not present")  # the KeyError below says it better
            script = ScriptDirectory.from_config(alembic_config(project))
            return {"revisions": [revision._asdict() for revision in revisions_of_script(script)]}
    except UserWarning as exc:  # Alembic would take one of the two, and nobody would know which
        return {"error": f"Alembic cannot load the revisions: {exc}", "hint": _TWICE}
    except CommandError as exc:
        return {"error": f"Alembic cannot load the revisions: {exc}"}
    except KeyError as exc:
        return {"error": f"a revision names a parent that is in no file: {exc}", "missing": str(exc.args[0])}
    except Exception as exc:  # noqa: BLE001 - whatever a revision file does on import
        return {"error": f"a revision file cannot be loaded: {type(exc).__name__}: {exc}"}


if __name__ == "__main__":
    main()
