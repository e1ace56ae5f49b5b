"""Checks that the migrations build exactly what the tables in the code say, and that they go back.

Part of `make check`. Works on an embedded PostgreSQL that is thrown away afterwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.postgres import temporary_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
STEPS = (("upgrade", "head"), ("check",), ("downgrade", "base"), ("upgrade", "head"))
"""What Alembic must manage in this order: all migrations, no difference to the tables, all the way back and again."""


@contextmanager
def throwaway_database() -> Iterator[dict[str, str]]:
    """The environment in which Alembic works on an empty database that exists for this block only."""
    cluster = temporary_cluster()
    try:
        with cluster:
            others = {
                name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES_", "TIDEGATE_"))
            }
            yield others | {"DATABASE_URL": cluster.url, "TIDEGATE_YES": "1"}  # going back drops tables
    finally:
        shutil.rmtree(cluster.folder, ignore_errors=True)


def alembic(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic by its command line, as an operator does."""
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    """Take all steps; the exit code."""
    with throwaway_database() as environment:
        for step in STEPS:
            done = alembic(environment, *step)
            if done.returncode:
                print(f"error: `alembic {' '.join(step)}` exits with {done.returncode}\n\n{done.stdout}{done.stderr}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
