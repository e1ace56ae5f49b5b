"""How patient a run is with others' locks: the lock timeout, the pauses between attempts, the budget. Pure."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOCK_TIMEOUT_S = 0.1
"""How long a statement may wait for a lock, and the application behind it; the operator may say otherwise."""

RETRY_FOR_S = 600.0
"""How long a revision is tried for, from the first lock that it did not get."""

RETRY_ATTEMPTS = 50
"""How often it tries in that time at most: an attempt that is refused holds the application up for a lock timeout."""

TIMEOUT_GROWTH = 1.5
FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 30.0

LEAST_TIMEOUT_S = 0.01
"""What a statement gets when the revision already holds a lock that the application may be waiting for."""


class Pace(NamedTuple):
    """What the operator allows."""

    lock_timeout_s: float = LOCK_TIMEOUT_S
    lock_timeout_max_s: float = LOCK_TIMEOUT_S
    """What the lock timeout may grow to, attempt by attempt. Not at all unless the operator says so."""
    retry_for_s: float = RETRY_FOR_S
    retry_attempts: int = RETRY_ATTEMPTS

    def timeout_s(self, attempt: int) -> float:
        """The lock timeout of an attempt, the first being 1. Zero is PostgreSQL's word for no timeout."""
        grown = self.lock_timeout_s * TIMEOUT_GROWTH ** min(attempt - 1, 40)  # beyond that every cap is reached
        return min(grown, max(self.lock_timeout_s, self.lock_timeout_max_s))

    def left_s(self, attempt: int, *, held_for_s: float | None) -> float:
        """The lock timeout of one statement.

        Args:
            held_for_s: Seconds since the revision asked for its first lock that others may wait for; nothing if
                it holds none. All its statements together may wait for as long as one: the application waits
                for the first of these locks until the last statement is done.
        """
        timeout = self.timeout_s(attempt)
        if held_for_s is None or timeout == 0:
            return timeout
        return max(timeout - held_for_s, min(LEAST_TIMEOUT_S, timeout))


class Patience:
    """What is left of it in one run."""

    def __init__(self, pace: Pace, *, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        """Args: `clock` in seconds, any origin; `chance` between 0 and 1, so that replicas do not try in step."""
        self.pace = pace
        self.attempt = 1
        self._clock = clock
        self._chance = chance
        self._since: float | None = None

    def begin_waiting(self) -> None:
        """Somebody is in the way: from the first time on the budget runs."""
        if self._since is None:
            self._since = self._clock()

    def got_through(self) -> None:
        """A revision is applied: what it waited is not the next one's, nor is the time that it worked."""
        self._since = None

    @property
    def waited_s(self) -> float:
        """Seconds since somebody was first in the way of this revision."""
        return 0.0 if self._since is None else self._clock() - self._since

    @property
    def time_is_up(self) -> bool:
        """Whether the time is spent."""
        return self.waited_s >= self.pace.retry_for_s

    @property
    def may_try_again(self) -> bool:
        """Whether another attempt is within the budget."""
        return not self.time_is_up and self.attempt < self.pace.retry_attempts

    def pause_s(self) -> float:
        """How long to wait before the next attempt, in seconds: growing, with jitter, never beyond the budget."""
        bound = min(LAST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.attempt - 1, 20))
        return min(bound * (0.5 + self._chance() / 2), max(0.0, self.pace.retry_for_s - self.waited_s))

    def next_attempt(self) -> int:
        """Count one more."""
        self.attempt += 1
        return self.attempt
