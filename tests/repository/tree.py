"""Copies of this project for tests that run its verbs: a clone with what is not committed yet, set up or not."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.run_state import database_folder

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Tree:
    """A copy of the project, and the environment in which its verbs are called."""

    folder: Path
    environment: dict[str, str]

    @property
    def database_folder(self) -> Path:
        return database_folder(self.folder / ".data")

    def set_up(self) -> Tree:
        """Fill its `.venv`, and nothing more."""
        done = self.make(".venv/.synced")
        assert done.returncode == 0, done.stderr
        return self

    def make(self, goal: str) -> subprocess.CompletedProcess[str]:
        """Call make for one goal."""
        command = ["make", "--silent", goal]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def for_ordinary_user(self) -> Tree:
        """The same for the user `nobody`, set up with a Python that this user can reach."""
        search = os.pathsep.join([str(uv_folder(self.folder.parent)), "/usr/bin", "/bin"])
        environment = self.environment | {"PATH": search, "HOME": str(self.folder.parent / "home")}
        tree = Tree(copy_files(self.folder.parent / "of nobody"), environment).set_up()
        subprocess.run(["chown", "-R", "nobody:nogroup", str(tree.folder)], check=True)
        return tree

    def behind_a_closed_door(self) -> Tree:
        """The same in a folder that only its owner may enter."""
        door = self.folder.parent / "closed"
        door.mkdir(mode=0o700)
        return Tree(copy_files(door / "expenses"), self.environment).set_up()


def copy_tree(folder: Path) -> Tree:
    """A copy of the project in a new folder, set up."""
    search = os.pathsep.join([str(uv_folder(folder.parent)), os.environ["PATH"]])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTEST"))}
    return Tree(copy_files(folder), inherited | {"PATH": search}).set_up()


def uv_folder(folder: Path) -> Path:
    """A folder that has uv and nothing else, for the PATH of a copy, so that none has to fetch it."""
    path = folder / "uv only"
    path.mkdir(exist_ok=True)
    found = ROOT / ".uv" / "uv"
    program = found if found.exists() else Path(shutil.which("uv") or "uv")
    if not (path / "uv").exists():
        (path / "uv").symlink_to(program)
    return path


def copy_files(folder: Path) -> Path:
    """Copy what is under version control, or about to be; nothing is set up."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
