"""`make` sets up what a verb needs: once, and from little; and it says what is missing where that is not enough."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.repository.tree import ROOT, Tree, copy_files, uv_folder
from tools.postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("setup")

TOOLS = ("sh", "make", "awk", "cat", "cp", "dirname", "mkdir", "mktemp", "mv", "pwd", "rm")
"""What a machine has that has nothing."""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="setup "))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def machine(folder: Path) -> Path:
    """A folder for PATH with no Python and no uv in it."""
    programs = folder / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name) or name)
    return programs


def script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


def set_up(folder: Path, machine: Path) -> subprocess.CompletedProcess[str]:
    tree = copy_files(folder / "expenses")
    environment = {"PATH": str(machine), "HOME": str(folder)}
    command = ["make", "--silent", ".venv/.synced"]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_without_python_it_says_what_to_install(folder: Path, machine: Path) -> None:
    done = set_up(folder, machine)
    assert done.returncode != 0
    assert "error: Python 3.11 or newer is needed, found no Python" in done.stderr
    assert "hint: install it (Debian, Ubuntu: `apt-get install python3 python3-venv`)" in done.stderr


def test_an_old_python_is_named_and_refused(folder: Path, machine: Path) -> None:
    script(machine / "python3", '[ "$1" = --version ] && echo Python 3.9.2 && exit', "exit 1")
    done = set_up(folder, machine)
    assert done.returncode != 0
    assert "error: Python 3.11 or newer is needed, found Python 3.9.2" in done.stderr


def test_a_python_without_venv_and_pip_is_told_which_package_brings_them(folder: Path, machine: Path) -> None:
    script(
        machine / "python3",
        '[ "$1" = -m ] && exit 1',
        'case "$2" in *sys.executable*) echo "$0" && exit ;; esac',
        f'exec "{sys.executable}" "$@"',
    )
    done = set_up(folder, machine)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode != 0
    assert "has neither `venv` with pip nor `pip`" in done.stderr
    assert f"`apt-get install python{version}-venv`" in done.stderr


def test_a_shim_that_runs_nothing_is_passed_over(folder: Path, machine: Path) -> None:
    script(machine / "python3.14", "echo no such version >&2", "exit 127")
    (machine / "python3").symlink_to(sys.executable)
    script(machine / "uv", '[ "$1" = --version ] && echo uv 0.10.0 && exit', 'mkdir -p .venv && echo "$@" >.venv/asked')
    done = set_up(folder, machine)
    assert done.returncode == 0, done.stderr
    assert Path(sys.executable).name in (folder / "expenses" / ".venv" / "asked").read_text().split()[-1]


@pytest.mark.fresh
def test_a_second_call_sets_nothing_up_and_a_moved_project_everything(folder: Path) -> None:
    search = os.pathsep.join([str(uv_folder(folder)), os.environ["PATH"]])
    tree = Tree(copy_files(folder / "before"), dict(os.environ) | {"PATH": search}).set_up()
    started = time.monotonic()
    again = tree.make(".venv/.synced")
    assert time.monotonic() - started < 1
    assert "setting up" not in again.stderr
    moved = Tree(tree.folder.rename(folder / "after"), tree.environment)
    assert "making .venv anew: the project was moved" in moved.make(".venv/.synced").stderr
    program = moved.folder / ".venv" / "bin" / "alembic"
    subprocess.run([str(program), "--version"], check=True, capture_output=True)


@pytest.mark.fresh
def test_a_clone_on_a_machine_with_only_python_and_make_serves_and_tests(folder: Path) -> None:
    clone = folder / "expenses"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    log = folder / "run.log"
    with log.open("wb") as output:
        run = subprocess.Popen(
            ["make", "run", f"PORT={free_port()}"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while not re.search(r"is ready at http://", log.read_text(errors="replace")):
            assert run.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.2)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGINT)
            run.wait(timeout=30)
    assert (clone / ".uv" / "uv").exists(), "there was no uv, so the project has its own"
    tested = subprocess.run(
        ["make", "test", "ARGS=-k money"], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
