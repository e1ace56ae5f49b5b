"""The worker's end of its talk with the parent: it tells what happens, and asks before each statement that may lock.

Lines of JSON both ways. The parent's end of the answers is also the lifeline: when it closes, the parent is dead
and the worker ends at once.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.worker.forks import at_fork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Answer(NamedTuple):
    """What the parent says about a statement."""

    verdict: str
    """`go`, `skip` (it is done already) or `stop` (not in this attempt)."""
    settings: Mapping[str, str] = MappingProxyType({})
    """Settings for this one statement; the others keep what the session has."""
    first: Sequence[str] = ()
    """Statements to run before it."""
    is_final: bool = False
    """Of a `stop`: the whole run is to end with `why`."""
    why: str = ""
    is_plain: bool = False
    """It may be sent within a transaction of its own."""
    ends_transaction: bool = False
    """There is a COMMIT or its like in it."""
    is_repeatable: bool = False
    """Once more after it was committed does no harm and is no error."""

    def to_json(self) -> str:
        """The answer as it travels."""
        return json.dumps(self._asdict() | {"settings": dict(self.settings)})


class Dialogue:
    """One per worker."""

    def __init__(self, *, events_fd: int, answers_fd: int) -> None:
        self._events = os.fdopen(events_fd, "w", encoding="utf-8", buffering=1)
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._answers_fd = answers_fd
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._is_ours = True
        """Not so in a process that a revision forks."""

    def emit(self, event: str, /, **facts: Any) -> None:
        """Tell the parent."""
        if not self._is_ours:
            return
        line = json.dumps({"event": event, **facts}) + "\n"
        with self._lock:  # a revision may have threads of its own
            self._events.write(line)

    def ask(self, **facts: Any) -> Answer:
        """Ask the parent about a statement; it answers when nobody is in the way any more."""
        with self._asking:  # the parent answers one question at a time
            self.emit("question", **facts)
            return self._answers.get()

    def listen(self) -> None:
        """Hear the answers from now on, and die with the parent."""
        threading.Thread(target=self._hear, name="tidegate-lifeline", daemon=True).start()
        at_fork(self._forget, lifeline=self._answers_fd)

    def _forget(self) -> None:
        self._is_ours = False

    def _hear(self) -> None:
        try:
            with os.fdopen(self._answers_fd, encoding="utf-8") as lines:
                for line in lines:
                    self._answers.put(Answer(**json.loads(line)))
        finally:  # the last line may be torn
            os._exit(1)
