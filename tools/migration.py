"""`make migration NAME='expand add receipts'`: a new migration file, from what differs between tables and migrations.

The first word is the phase. The file is a proposal: read it, and say in its docstring what it locks and how long.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tools.schema import ROOT, alembic, throwaway_database

if TYPE_CHECKING:
    from pathlib import Path

PHASES = ("expand", "backfill", "contract")


def main(arguments: list[str]) -> int:
    """Write the file; the exit code."""
    name = " ".join(arguments).strip().lower()
    phase, _, rest = name.partition(" ")
    if phase not in PHASES or not re.fullmatch(r"[a-z0-9 _-]+", rest):
        print(f"error: `{name}` is no name for a migration", file=sys.stderr)
        print("\nhint: `make migration NAME='expand add receipts'`; the first word is one of", *PHASES, file=sys.stderr)
        return 64
    revision = f"{datetime.now(UTC):%Y%m%d_%H%M}"
    propose = ("revision", "--autogenerate", "-m", name, "--rev-id", revision)
    with throwaway_database() as environment:
        for step in (("upgrade", "head"), propose):
            done = alembic(environment, *step)
            if done.returncode:
                print(f"error: `alembic {step[0]}` exits with {done.returncode}\n\n{done.stdout}{done.stderr}")
                return 1
    path = newest_version()
    # Alembic looked at the clock once more; the file is named by the revision's minute, so that both sort alike.
    path = path.rename(path.with_name(revision + path.name[len(revision) :]))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=True)
    print(f"wrote {path.relative_to(ROOT)}: read it, complete its docstring, then `make check`")
    return 0


def newest_version() -> Path:
    """The migration file that was written last."""
    return max((ROOT / "migrations" / "versions").glob("*.py"), key=lambda path: path.stat().st_mtime_ns)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
