"""Small Alembic projects for tests: real files in a folder, run by real processes through any of the doors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BIN = Path(sys.executable).parent
"""Where `tidegate` and `alembic` are installed, in the tree's environment as in the wheel's."""

DOORS: dict[str, list[str]] = {
    "alembic upgrade head": [str(BIN / "alembic"), "upgrade", "head"],
    "tidegate upgrade": [str(BIN / "tidegate"), "upgrade"],
    "tidegate run": [str(BIN / "tidegate"), "run", "--", "true"],
}
"""Every way to migrate."""

ENV_PY = """
from logging.config import fileConfig
import os
{guard}
from alembic import context
from sqlalchemy import create_engine, pool, text

{top}

def run():
    url = (context.config.get_main_option("sqlalchemy.url") or os.environ["DATABASE_URL"]).replace(
        "postgresql://", "postgresql+psycopg2://").replace("+psycopg:", "+psycopg2:")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        {before}
        context.configure(connection=connection, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()

if not context.is_offline_mode():
    run()
"""

REVISION = '''
"""{title}."""
import time
import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {down}
branch_labels = {labels}
depends_on = None
{phase}

def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''


@dataclass
class Result:
    """How a process ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(self.out)


@dataclass
class Project:
    """An Alembic project and a database for it."""

    folder: Path
    url: str
    environ: dict[str, str] = field(default_factory=dict)

    def write_env(self, *, guard: bool = True, top: str = "", before: str = "pass") -> None:
        """Write `env.py`; `before` is executed on the connection before `context.configure()`."""
        line = "import tidegate; tidegate.guard()" if guard else ""
        text = ENV_PY.format(guard=line, top=top, before=before)
        (self.folder / "migrations" / "env.py").write_text(text)

    def add(
        self,
        id_: str,
        upgrade: str,
        *,
        down: str | tuple[str, ...] | None = None,
        downgrade: str = "pass",
        phase: str | None = None,
        labels: str | None = None,
    ) -> Path:
        """Add a revision whose `upgrade()` has this one-line body."""
        path = self.folder / "migrations" / "versions" / f"{id_}.py"
        text = REVISION.format(
            id=id_,
            title=f"revision {id_}",
            down=repr(down),
            labels=repr(labels),
            phase=f'phase = "{phase}"' if phase else "",
            upgrade=upgrade,
            downgrade=downgrade,
        )
        path.write_text(text.lstrip())
        return path

    def add_table(self, id_: str, *, down: str | None = None, seconds: float = 0) -> Path:
        """Add a revision that makes table `t_ID` after sleeping on the server."""
        return self.add(
            id_,
            f'op.execute("SELECT pg_sleep({seconds})"); op.execute("CREATE TABLE t_{id_} (id int)")',
            down=down,
            downgrade=f'op.execute("DROP TABLE t_{id_}")',
        )

    def start(self, command: Sequence[str], **environ: str) -> subprocess.Popen[str]:
        """Start a command in the project's folder, in a process group of its own."""
        return subprocess.Popen(
            list(command),
            cwd=self.folder,
            env=self._environ(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, timeout: float = 60, **environ: str) -> Result:
        """Run a command of the environment (`tidegate`, `alembic`, `python`) to its end."""
        process = self.start([str(BIN / command[0]), *command[1:]], **environ)
        return finish(process, timeout=timeout)

    def tidegate(self, *arguments: str, timeout: float = 60, **environ: str) -> Result:
        """Run `tidegate` with these arguments."""
        return self.run("tidegate", *arguments, timeout=timeout, **environ)

    def query(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query on a connection of its own."""
        with self.connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection in autocommit mode."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def at(self) -> list[str]:
        """What the version table says; nothing without one."""
        if not self.query("SELECT to_regclass('alembic_version')")[0][0]:
            return []
        return sorted(row[0] for row in self.query("SELECT version_num FROM alembic_version"))

    def recorded(self) -> list[tuple[str, str]]:
        """Id and direction of every recorded step, in order."""
        if not self.query("SELECT to_regclass('tidegate.revision')")[0][0]:
            return []
        return [(row[0], row[1]) for row in self.query("SELECT id, direction FROM tidegate.revision ORDER BY seq")]

    def outcomes(self) -> list[str]:
        """Outcome of every recorded run, in order."""
        if not self.query("SELECT to_regclass('tidegate.run')")[0][0]:
            return []
        return [row[0] for row in self.query("SELECT outcome FROM tidegate.run ORDER BY id")]

    def sleepers(self) -> list[int]:
        """Server processes that execute `pg_sleep` for a migration in this database now."""
        return [
            row[0]
            for row in self.query(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
                "AND query LIKE 'SELECT pg_sleep%%' AND pid <> pg_backend_pid()"
            )
        ]

    def _environ(self, more: dict[str, str]) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG"}
        }
        return inherited | {"DATABASE_URL": self.url, "RUN_MIGRATIONS": "true"} | self.environ | more


def finish(process: subprocess.Popen[str], *, timeout: float = 60) -> Result:
    """Wait for a process; one that does not end in time is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"did not end within {timeout} s; stderr so far:\n{err}") from None
    return Result(process.returncode, out, err)


def until(condition: Callable[[], Any], *, timeout: float = 20, what: str = "condition") -> Any:  # noqa: ANN401 - whatever the condition gives
    """The condition's first true value; the test fails when none comes in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {what}")
