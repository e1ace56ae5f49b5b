"""Lengths of time, read and shown."""

from __future__ import annotations

import pytest

from tidegate.errors import UsageError
from tidegate.report.duration import parse_duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1.5s", 1.5), ("7", 7), (" 2M ", 120)],
)
def test_lengths_of_time_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text, "--x") == seconds


@pytest.mark.parametrize("text", ["", "soon", "5x", "-3s", "5 m", "1h-2m"])
def test_what_is_no_length_of_time_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="`--x` is"):
        parse_duration(text, "--x")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.254, "0.25 s"), (12.9, "12 s"), (192, "3 min 12 s"), (3900, "1 h 5 min")]
)
def test_lengths_of_time_are_shown(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text
