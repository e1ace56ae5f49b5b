"""`tidegate run -- CMD …`: decide by `RUN_MIGRATIONS`, then become the command.

The one thing that every container start pays for, so nothing here imports Alembic, SQLAlchemy or click
unless something is to migrate.
"""

from __future__ import annotations

import os
import signal

from tidegate.errors import UsageError
from tidegate.output import tell
from tidegate.switch import VARIABLE, migrations_wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from tidegate.target import Target


def run(command: Sequence[str], find_target: Callable[[], Target]) -> NoReturn:
    """Migrate if the operator says so, then replace this process by the command.

    Raises:
        TidegateError: As `migrate` does; the command is not started then.
        UsageError: `RUN_MIGRATIONS` is no boolean, or there is no such command.
    """
    if not command:
        raise UsageError("no command to run", hint="`tidegate run -- uvicorn main:app`")
    wanted = migrations_wanted(os.environ)
    if not _is_there(command[0]):
        raise UsageError(f"there is no command `{command[0]}`", hint="write the command behind `--`")
    if wanted:
        _migrate(find_target())
    else:
        tell(f"Skipping migrations ({VARIABLE}=false)")
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores these two, and what is ignored stays so in the command
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - becoming the command is the purpose
    except OSError as exc:
        raise UsageError(f"`{command[0]}` cannot be started: {os.strerror(exc.errno or 0).lower()}") from exc


def _is_there(program: str) -> bool:
    """Whether `execvp` would find it. `shutil.which` says so too, but its import costs 3 ms."""
    folders = [""] if os.sep in program else os.get_exec_path()
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


def _migrate(target: Target) -> None:
    from tidegate.runner import migrate

    after = migrate(target.request("tidegate run"), tell=tell)
    tell(f"the schema is {after.state} at `{', '.join(after.current) or 'no revision'}`")
