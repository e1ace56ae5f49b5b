"""Processes that a revision forks, for a backfill on several processors for example: they are no workers.

A copy of the worker has its hooks, but nobody answers its questions, and it shares the worker's server session. So it
asks nothing and tells nothing; it may work on connections of its own, which have the fence and the lock timeout as any
session has. It ends with the run, so that the next one never overlaps with it.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def at_fork(forget: Callable[[], None], *, lifeline: int) -> None:
    """From now on whoever is forked off forgets that it was the worker, and ends when the lifeline closes."""

    def follow() -> None:
        forget()
        threading.Thread(target=_end_with, args=(lifeline,), name="tidegate-lifeline", daemon=True).start()

    os.register_at_fork(after_in_child=follow)


def keep_out(owner: int) -> None:
    """End this process if it is about to use a session that another one opened.

    At once, not by an exception: on its way up SQLAlchemy would roll back the worker's transaction, over the same
    socket, and the worker would not know.
    """
    if owner == os.getpid():
        return
    sys.stderr.write(
        "tidegate: a process that the revision forked used the revision's own connection, and was ended; "
        "let it open one of its own, or leave by `os._exit()`\n"
    )
    sys.stderr.flush()
    os._exit(1)


def _end_with(lifeline: int) -> None:
    """The worker reads what comes through it; we only wait for its end."""
    poll = select.poll()
    poll.register(lifeline, 0)
    poll.poll()
    os._exit(1)
