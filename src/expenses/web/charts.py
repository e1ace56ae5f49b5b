"""The geometry of the bars. Templates draw it as SVG, whose attributes the content security policy allows.

Everything is for the eye: the figures themselves stand in a table or a heading beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PALETTE = {
    "#4b8f3c": "green",
    "#2f8272": "teal",
    "#2b86b8": "sky",
    "#4f6fc9": "blue",
    "#9a529e": "plum",
    "#c4496e": "rose",
    "#c06436": "orange",
    "#a87f1f": "ochre",
    "#8a7047": "brown",
    "#5f7d8c": "slate",
}
"""Colours to choose from, and their names; each has 3:1 at least on the light card and on the dark (WCAG 1.4.11)."""

NO_CATEGORY = "#8b928e"
"""The colour of what has no category; as above."""


@dataclass(frozen=True)
class Segment:
    """A piece of a stacked bar, in percent of its length."""

    offset: float
    length: float
    color: str


@dataclass(frozen=True)
class Column:
    """A day of the column chart: horizontal in percent, height in percent of the tallest that is drawn to scale."""

    day: int
    x: float
    width: float
    height: float
    is_cut: bool
    """Taller than there is room for; drawn with a gap near its top."""


def stacked(parts: Sequence[tuple[str, int]], *, gap: float = 0.5) -> list[Segment]:
    """Segments for (colour, amount); refunds that outweigh a category's spending have no length to draw."""
    positive = [(color, amount) for color, amount in parts if amount > 0]
    room = 100 - gap * max(0, len(positive) - 1)
    total = sum(amount for _, amount in positive)
    segments = []
    offset = 0.0
    for color, amount in positive:
        length = room * amount / total
        segments.append(Segment(round(offset, 3), round(length, 3), color))
        offset += length + gap
    return segments


def columns(amounts: Mapping[int, int], *, days: int) -> list[Column]:
    """One column for every day of a month of `days` days that has spending; `amounts` is by day of the month.

    One rent would flatten all other days: a column may be three times as tall as that of the day in the upper quarter,
    and is cut there.
    """
    positive = sorted(amount for amount in amounts.values() if amount > 0)
    if not positive:
        return []
    room = min(positive[-1], 3 * positive[(len(positive) - 1) * 3 // 4])
    step = 100 / days
    return [
        Column(
            day=day,
            x=round((day - 1) * step + step * 0.14, 3),
            width=round(step * 0.72, 3),
            height=round(max(4, min(100, 100 * amount / room)), 2),
            is_cut=amount > room,
        )
        for day, amount in sorted(amounts.items())
        if amount > 0
    ]


def share(part: int, whole: int) -> float:
    """Percent of `whole`, between 0 and 100, for a bar's length."""
    return round(min(100.0, max(0.0, 100 * part / whole)), 2) if whole > 0 else 0.0
