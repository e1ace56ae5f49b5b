"""The process between a run and its `--before` command; `before` starts it as `python -m tidegate.run.leash FD CMD`.

It ends the command with all that it started when the run says so or is gone, by SIGKILL included. An orphaned backup
would write on beside the next run's, into the same file.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

TICK_S = 0.05
"""How soon the end of the command, or of the run, is noticed."""

GRACE_S = 5.0
"""How long the command gets after SIGTERM, before SIGKILL; `docker stop` gives all of us twice that."""

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Exits as the command does, as a shell counts: 128 and the signal's number for one that was killed."""
    lifeline, command = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":  # whom the command leaves behind becomes our child, so that we see it end
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    told: list[int] = []
    # The run's SIGTERM goes to the whole group. A handler, since what we ignore the command would ignore too.
    signal.signal(signal.SIGTERM, lambda signum, _: told.append(signum))
    process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL)
    while process.poll() is None and not told:
        if select.select([lifeline], [], [], TICK_S)[0]:
            told.append(signal.SIGHUP)
    if told:
        _end_all(process)
    sys.exit(process.returncode if process.returncode >= 0 else 128 - process.returncode)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """Return when the group is empty but for us; if it is not in time, it is killed, and we with it."""
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if process.poll() is not None and not _has_children():
            return
        time.sleep(TICK_S)
    os.killpg(0, signal.SIGKILL)


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main()
