"""Who appears in tests, and the clock they live by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that stands still at noon of 22 November 2026, UTC, until it is turned."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def turn(self, by: timedelta) -> None:
        """Let time pass, or go back."""
        self.time += by
