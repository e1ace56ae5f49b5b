"""The process between a run and its `--before` command: `python -m tidegate.leash FD CMD`, started by `before` only.

It ends the command when the run is gone, SIGKILL included. An orphaned backup would write on beside the next run's,
into the same file.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

TICK_S = 0.05
"""How soon the end of the command, or of the run, is noticed."""

GRACE_S = 5.0
"""How long the command gets after SIGTERM, before SIGKILL; `docker stop` gives all of us twice that."""


def main() -> None:
    """Exits as the command does, as a shell counts: 128 and the signal's number for one that was killed."""
    lifeline, command = int(sys.argv[1]), sys.argv[2]
    # The run ends the whole group, and we stay last. A handler, since what we ignore the command would ignore too.
    signal.signal(signal.SIGTERM, lambda *_: None)
    process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL)
    while process.poll() is None:
        if select.select([lifeline], [], [], TICK_S)[0]:
            _end_all(process)
    sys.exit(process.returncode if process.returncode >= 0 else 128 - process.returncode)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(TICK_S)
    with suppress(ProcessLookupError):
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
