"""`tidegate run -- CMD …`: decide by `RUN_MIGRATIONS`, then become the command.

The one thing that every container start pays for, so nothing here imports Alembic, SQLAlchemy or click
unless something is to migrate.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from tidegate.errors import UsageError
from tidegate.output import tell
from tidegate.run.switch import VARIABLE, migrations_wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from tidegate.report.target import Target
    from tidegate.run.health import HealthPort


HEALTH_PORT_VARIABLE = "TIDEGATE_HEALTH_PORT"


def run(command: Sequence[str], find_target: Callable[[], Target], health_port: str | None = None) -> NoReturn:
    """Migrate if the operator says so, then replace this process by the command.

    Args:
        health_port: Where to answer probes meanwhile; by default what `TIDEGATE_HEALTH_PORT` says.

    Raises:
        TidegateError: As `migrate` does; the command is not started then.
        UsageError: `RUN_MIGRATIONS` is no boolean, the port is none, or there is no such command.
    """
    if not command:
        raise UsageError("no command to run", hint="`tidegate run -- uvicorn main:app`")
    wanted = migrations_wanted(os.environ)
    if not _is_there(command[0]):
        raise UsageError(f"there is no command `{command[0]}`", hint="write the command behind `--`")
    port = _port(health_port or os.environ.get(HEALTH_PORT_VARIABLE) or "")
    if wanted:
        _migrate(find_target(), port)
    else:
        tell(f"Skipping migrations ({VARIABLE}=false)")
    _undo_what_python_did()
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - becoming the command is the purpose
    except OSError as exc:
        raise UsageError(f"`{command[0]}` cannot be started: {os.strerror(exc.errno or 0).lower()}") from exc


def _undo_what_python_did() -> None:
    """Give the command what we were given: Python ignores two signals, and sets a locale where there is none."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    with suppress(OSError), open("/proc/self/environ", "rb") as given:
        if "LC_CTYPE" in os.environ and not any(entry.startswith(b"LC_CTYPE=") for entry in given.read().split(b"\0")):
            del os.environ["LC_CTYPE"]


def _is_there(program: str) -> bool:
    """Whether `execvp` would find it. `shutil.which` says so too, but its import costs 3 ms."""
    folders = [""] if os.sep in program else os.get_exec_path()
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


def _port(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"the health port is `{text}`, which is no port", hint="write a number from 1 to 65535")
    return int(text)


def _migrate(target: Target, port: int | None) -> None:
    from tidegate.run.runner import migrate

    ports: list[HealthPort] = []

    def enter(phase: str, revision: Callable[[], str | None] = lambda: None) -> None:
        """Opens the port: a start that neither waits nor migrates never comes here, and pays nothing."""
        if port is not None and not ports:
            from tidegate.run.health import HealthPort

            ports.append(HealthPort(port, tell))
        for health in ports:
            health.enter(phase, revision)

    try:
        after = migrate(target.request("tidegate run"), tell=tell, enter=enter)
    finally:
        for health in ports:
            health.close()
    tell(f"the schema is {after.state} at `{', '.join(after.current) or 'no revision'}`")
