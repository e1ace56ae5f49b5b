"""Cursors come back as they went out, and broken ones are refused."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.ledger.cursor import InvalidCursor, PageKey, decode_id, encode

keys = st.builds(PageKey, st.dates(), st.uuids())


@given(keys, st.text())
def test_a_cursor_gives_its_key_back_to_its_own_list(key: PageKey, scope: str) -> None:
    assert PageKey.from_cursor(key.cursor(scope=scope), scope=scope) == key


@given(keys)
def test_another_list_refuses_it(key: PageKey) -> None:
    with pytest.raises(InvalidCursor):
        PageKey.from_cursor(key.cursor(scope="one"), scope="another")


@given(keys, st.data())
def test_no_character_of_it_can_be_changed(key: PageKey, data: st.DataObject) -> None:
    cursor = key.cursor(scope="list")
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters().filter(lambda character: character != cursor[place]))
    changed = cursor[:place] + other + cursor[place + 1 :]
    try:
        found = PageKey.from_cursor(changed, scope="list")
    except InvalidCursor:
        return
    assert found != key  # another position in the same list: nothing that its reader may not see


@given(st.text(max_size=100))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        PageKey.from_cursor(text, scope="list")


@pytest.mark.parametrize("ordinal", [0, 3_652_060, 2**32 - 1])
def test_a_day_that_no_calendar_has_is_refused(ordinal: int) -> None:
    forged = encode(ordinal.to_bytes(4, "big") + bytes(16), scope="list")
    with pytest.raises(InvalidCursor):
        PageKey.from_cursor(forged, scope="list")


def test_a_cursor_of_a_list_with_another_key_is_refused() -> None:
    by_day = PageKey(date(2026, 11, 22), UUID(int=1)).cursor(scope="list")
    with pytest.raises(InvalidCursor):
        decode_id(by_day, scope="list")
    with pytest.raises(InvalidCursor):
        decode_id(urlsafe_b64encode(bytes(24)).decode(), scope="list")
    assert decode_id(encode(UUID(int=7).bytes, scope="list"), scope="list") == UUID(int=7)
