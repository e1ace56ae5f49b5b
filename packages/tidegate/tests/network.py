"""A server on the far side of a cable that can be pulled: a network namespace with a veth pair.

When the cable is pulled, packets vanish without a reset, as when a machine dies or a firewall forgets a connection.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Cable:
    """Between this machine, where the server is, and a namespace, where `tidegate` runs."""

    name: str
    here: str
    """Address of the server, as the namespace sees it."""

    @property
    def inside(self) -> list[str]:
        """What makes a command run on the other end; it becomes the command, under the same process id."""
        return ["ip", "netns", "exec", self.name]

    def pull(self) -> None:
        """From now on packets vanish, both ways."""
        _ip("link", "set", f"{self.name}-a", "down")

    def plug(self) -> None:
        """Packets arrive again."""
        _ip("link", "set", f"{self.name}-a", "up")


def can_make_cables() -> bool:
    """Whether this user may make network namespaces on this machine."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    probe = f"tgp{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "del", probe)
    return made


@contextmanager
def cable() -> Iterator[Cable]:
    """A cable of one's own, with addresses that follow from the process id."""
    name, third = f"tg{os.getpid() % 1_000_000}", os.getpid() % 250
    network = f"10.231.{third}"
    made = Cable(name, f"{network}.1")
    _ip("netns", "add", name)
    try:
        _ip("link", "add", f"{name}-a", "type", "veth", "peer", "name", f"{name}-b", "netns", name)
        _ip("addr", "add", f"{network}.1/30", "dev", f"{name}-a")
        _ip("-n", name, "addr", "add", f"{network}.2/30", "dev", f"{name}-b")
        for end in ([f"{name}-a"], ["-n", name, f"{name}-b"]):
            _ip(*end[:-1], "link", "set", end[-1], "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield made
    finally:
        _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
