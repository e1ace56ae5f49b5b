"""Lengths of time, and moments, as operators write and read them."""

from __future__ import annotations

import re

from tidegate.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str, name: str) -> float:
    """Seconds, from `250ms`, `60s`, `5m`, `1h30m`, `7d` or a bare number of seconds.

    Raises:
        UsageError: It is none of these; names the option or variable.
    """
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PARTS.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"`{name}` is `{text}`, which is no length of time", hint="write `30s`, `5m` or `1h30m`")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_moment(text: str, name: str) -> datetime:
    """The moment that `2h`, `7d` (so long ago), `2026-11-22` or `2026-11-22T20:30` means; the last two in local time.

    Raises:
        UsageError: It is none of these; names the option.
    """
    from datetime import datetime, timedelta

    now = datetime.now().astimezone()
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        pass
    try:
        return now - timedelta(seconds=parse_duration(text, name))
    except (UsageError, OverflowError):
        raise UsageError(
            f"`{name}` is `{text}`, which is neither a moment nor a length of time",
            hint="write `2026-11-22`, `2026-11-22T20:30`, `2h` or `7d`",
        ) from None


def show_duration(seconds: float) -> str:
    """`0.25 s`, `12 s`, `3 min 12 s` or `1 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
