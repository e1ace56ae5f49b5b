"""An environment of its own for each history: the pinned packages, and tidegate from this tree.

They lie in `.histories/` of the checkout and are made anew when the pins change. What makes that quick in a fresh
clone is uv's own cache: its files are linked, not copied, so three environments take some seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from projects import finish
from tools.wheel import PACKAGE, ROOT, uv

if TYPE_CHECKING:
    from pathlib import Path

    from histories.catalogue import History
    from projects import Result

FOLDER = ROOT / ".histories"


@dataclass(frozen=True)
class Installed:
    """A history with its environment."""

    history: History
    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def packages(self) -> Path:
        """Where its packages are installed."""
        (found,) = (self.folder / "lib").glob("python3*/site-packages")
        return found

    def start(self, *command: str, url: str) -> subprocess.Popen[str]:
        """Start a program of the environment against the database at this URL, beside its packages."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name in {"LANG", "TMPDIR"}}
        own = {"PATH": f"{self.bin}:{os.environ.get('PATH', os.defpath)}", "HOME": str(home)}
        return subprocess.Popen(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.packages,
            env=kept | own | self.history.environment(url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def tidegate(self, verb: str, *arguments: str, url: str) -> subprocess.Popen[str]:
        """Start tidegate on the project as it is installed."""
        return self.start("tidegate", verb, "--config", self.history.config, *arguments, url=url)

    def run(self, *command: str, url: str) -> Result:
        """Run a program of the environment to its successful end."""
        result = finish(self.start(*command, url=url), timeout=300)
        assert result.code == 0, f"{' '.join(command)}: exit code {result.code}\n{result.err[-4000:]}"
        return result


def install(history: History) -> Installed:
    """The history's environment, made if it is missing or was made from other pins."""
    folder = FOLDER / history.name
    installed = Installed(history, folder)
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{history.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of pytest may want the same one
        _make(installed)
    return installed


def _make(installed: Installed) -> None:
    history, folder = installed.history, installed.folder
    key = f"{hashlib.sha256(history.pins.read_bytes()).hexdigest()} {sys.version} {folder}\n"
    made = folder / ".made"
    if not made.exists() or made.read_text() != key:
        uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        python = str(installed.bin / "python")
        # The pins are complete, so nothing is resolved, and nothing can come in that was not pinned.
        uv("pip", "install", "--quiet", "--python", python, "--no-deps", "-r", str(history.pins))
        uv("pip", "install", "--quiet", "--python", python, "--no-deps", "--editable", str(PACKAGE))
        made.write_text(key)
