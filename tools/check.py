"""`make check`: everything about the code that can be judged without running the tests. Goes on after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Check:
    """One question about the code, and the command that answers it."""

    name: str
    command: tuple[str, ...]
    hint: str


@dataclass(frozen=True)
class Answer:
    """What a check found."""

    check: Check
    passed: bool
    output: str
    seconds: float


def checks() -> list[Check]:
    """All checks, the slow ones first: two run at a time."""
    python = sys.executable
    return [
        Check("types", (python, "-m", "mypy"), "`.venv/bin/mypy PATH` while you mend it"),
        Check("migrations", (python, "-m", "tools.schema"), "`make migration NAME=…` writes what is missing"),
        Check("imports", (str(PROGRAMS / "lint-imports"),), "the layers are in pyproject.toml, `[tool.importlinter]`"),
        Check("lint", (python, "-m", "ruff", "check", "."), "`make format` mends what can be mended"),
        Check("format", (python, "-m", "ruff", "format", "--check", "."), "`make format`"),
        Check("shell", (str(PROGRAMS / "shellcheck"), *shell_scripts()), "each rule has a page named by its number"),
    ]


def shell_scripts() -> list[str]:
    """Every file in the repository, or about to be, whose first line names a POSIX shell or bash."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            with path.open("rb") as file:
                first = file.readline(80)
            if first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"bash", b" sh")):
                found.append(name)
    return found


def ask(check: Check) -> Answer:
    """Run one check."""
    started = time.monotonic()
    done = subprocess.run(
        check.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Answer(check, done.returncode == 0, done.stdout, time.monotonic() - started)


def main() -> int:
    """Run all checks and tell what they found; the exit code."""
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for answer in pool.map(ask, checks()):
            print(
                f"{'ok    ' if answer.passed else 'FAILED'} {answer.check.name:<12} {answer.seconds:5.1f} s", flush=True
            )
            if not answer.passed:
                failed += 1
                print(f"\n{answer.output}\nhint: {answer.check.hint}\n", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
