"""Signals while we work: noted, not obeyed at once, so that the server can be told to stop first."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager

from tidegate.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

NOTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What asks us to stop. As process 1 of a container SIGTERM is ignored unless it has a handler."""


_is_our_process = False


def own_process() -> None:
    """Say that this process is ours from beginning to end, as on the command line: nobody waits for handlers to return.

    Impatience is then without effect: a second Ctrl-C that comes when the run has just ended would else kill us before
    we have said how it ended.
    """
    global _is_our_process  # noqa: PLW0603 - a fact about the process, said once
    _is_our_process = True


class Signals:
    """What came while we worked."""

    def __init__(self) -> None:
        self.received: int | None = None

    def check(self, when: str = "before anything began") -> None:
        """Raise if a signal came.

        Raises:
            Interrupted: With the signal's number.
        """
        if self.received is not None:
            raise Interrupted(self.received, f"stopped by {signal.Signals(self.received).name} {when}")


@contextmanager
def noted() -> Iterator[Signals]:
    """For the length of a block signals are only noted; the host's own handlers come back behind it.

    Outside the main thread, where Python lets nobody set handlers, nothing is noted.
    """
    signals = Signals()

    def note(signum: int, _: FrameType | None) -> None:
        signals.received = signals.received or signum

    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    # What the caller ignores stays ignored: `nohup` means it. A handler that is not Python's could not be put back.
    noticed = [signum for signum in NOTED if signal.getsignal(signum) not in {signal.SIG_IGN, None}]
    before = {signum: signal.signal(signum, note) for signum in noticed}
    try:
        yield signals
    finally:
        is_over = _is_our_process and signals.received is not None
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_IGN if is_over else handler)
