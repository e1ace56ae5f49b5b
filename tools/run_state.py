"""What `make run` keeps between runs, in .data/: the database, its password, who runs now, and who ran last.

.data/run.lock       held by the one runner; freed by the system however that ends
.data/run.json       the runner's address, and the server it started
.data/password       of the database; only its owner may read it
.data/postgres18     the database, unless PostgreSQL's user cannot get there (`database_folder`)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import signal
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.postgres import can_reach
from tools.processes import command_of, end_process

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM_FOLDER = Path("/var/lib/expenses-development")
"""Where root's database lies when the project is in a folder, such as /root, that PostgreSQL's user cannot enter."""


class AlreadyRunning(Exception):
    """Another `make run` of this project is at work."""

    def __init__(self, runner: Runner | None) -> None:
        where = f" at {runner.url} (pid {runner.pid})" if runner else ""
        super().__init__(f"`make run` is already at work{where}")


@dataclass(frozen=True)
class Runner:
    """One run: its process, where it answers, and the server process it started."""

    pid: int
    url: str
    port: int
    server_pid: int

    def write(self, data: Path) -> None:
        """Put it on record, as a whole or not at all."""
        partial = data / f"run.json.{os.getpid()}"
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(data / "run.json")


def last_runner(data: Path) -> Runner | None:
    """Who runs, or ran last; nothing when nobody did or the record cannot be read."""
    try:
        return Runner(**json.loads((data / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def only_runner(data: Path) -> Iterator[None]:
    """Be the only `make run` of this project.

    Raises:
        AlreadyRunning: Another one is at work.
    """
    data.mkdir(exist_ok=True)
    with (data / "run.lock").open("w") as lock:  # not inherited by children, so it ends with this process
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise AlreadyRunning(last_runner(data)) from exc
        yield


def end_orphaned_server(data: Path) -> bool:
    """End a server whose runner was killed; true when there was one. Call it as the `only_runner`."""
    runner = last_runner(data)
    if runner is None or not {"main:app", str(runner.port)} <= set(command_of(runner.server_pid)):
        return False
    end_process(runner.server_pid, signal.SIGTERM, signal.SIGKILL, patience_s=10)
    return True


def database_folder(data: Path) -> Path:
    """Where the database's files belong."""
    if can_reach(data):
        return data / "postgres18"
    project = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    return SYSTEM_FOLDER / project / "postgres18"


def database_password(data: Path) -> str:
    """The password of the database, made up on the first run."""
    path = data / "password"
    if not path.exists():
        # Opened so that nobody else could read it at any moment.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8")
