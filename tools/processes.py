"""Other processes of this machine, by number: what they run, and how to end them.

A number can be taken again by a stranger, so look at `command_of` before `end_process`.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signal import Signals


def command_of(pid: int) -> list[str]:
    """The arguments that a process was started with, the program first; empty when it has gone."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").split("\0")
        except OSError:
            return []
    # macOS has no /proc; its `ps` joins the arguments, so one with a space in it comes back in pieces.
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.split()


def is_running(pid: int) -> bool:
    """Whether a process runs: one that has ended and only waits for its parent to notice does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return command_of(pid) not in ([], [""])


def end_process(pid: int, kindly: Signals, firmly: Signals, *, patience_s: float) -> None:
    """Ask a process to end, insist when it still runs after `patience_s`, and return when it has gone."""
    for request in (kindly, firmly):
        try:
            os.kill(pid, request)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience_s
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not is_running(pid):
            return
    raise RuntimeError(f"process {pid} does not end")
