"""The geometry of rings, bars and columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.web.charts import PALETTE, columns, share, stacked


@given(st.lists(st.integers(-(10**15), 10**15), max_size=40))
def test_a_stacked_bar_is_never_longer_than_its_room(amounts: list[int]) -> None:
    segments = stacked([("#000000", amount) for amount in amounts])
    assert len(segments) == sum(amount > 0 for amount in amounts)
    assert all(each.offset >= 0 and each.length >= 0 and each.offset + each.length < 100.01 for each in segments)


@given(st.dictionaries(st.integers(1, 31), st.integers(-(10**15), 10**15)))
def test_every_day_with_spending_has_a_column_that_can_be_seen_and_fits(amounts: dict[int, int]) -> None:
    found = columns(amounts, days=31)
    assert [each.day for each in found] == sorted(day for day, amount in amounts.items() if amount > 0)
    assert all(4 <= each.height <= 100 and each.x >= 0 and each.x + each.width <= 100 for each in found)


def test_one_rent_does_not_flatten_the_other_days() -> None:
    found = {each.day: each for each in columns({1: 98000, 2: 4000, 3: 2000, 4: 3000}, days=30)}
    assert found[1].is_cut
    assert found[2].height > 4
    assert not found[2].is_cut


@pytest.mark.parametrize(("part", "whole", "percent"), [(1, 4, 25), (-1, 4, 0), (5, 4, 100), (1, 0, 0), (0, 0, 0)])
def test_a_share_is_between_nothing_and_all(part: int, whole: int, percent: float) -> None:
    assert share(part, whole) == percent


@pytest.mark.parametrize("card", ["#ffffff", "#1a211e"])
@pytest.mark.parametrize("color", PALETTE)
def test_colours_of_categories_can_be_told_from_the_card_in_light_and_in_dark(color: str, card: str) -> None:
    lighter, darker = sorted((luminance(color), luminance(card)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
