"""The key of a list comes back from its cursor as it went in, and whatever else a cursor holds is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.cursor import InvalidCursor, Listing, Part, encode

PARTS: dict[type[Part], st.SearchStrategy[Part]] = {
    str: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100),
    int: st.integers(0, 2**31 - 1),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - what it takes
    UUID: st.uuids(),
}

KINDS = st.lists(st.sampled_from(list(PARTS)), min_size=1, max_size=3)


def listing(kinds: list[type[Part]], scope: str = "list") -> Listing[tuple[Part, ...]]:
    return Listing(scope, tuple(kinds), lambda row: row)


@given(KINDS, st.data())
def test_a_key_comes_back_to_its_own_list_and_to_no_other(kinds: list[type[Part]], data: st.DataObject) -> None:
    row = tuple(data.draw(PARTS[kind]) for kind in kinds)
    own = listing(kinds)
    page = own.page([row, row], limit=1)
    assert page.next is not None
    assert own.key_in(page.next) == row
    with pytest.raises(InvalidCursor):
        listing(kinds, "another").key_in(page.next)


@given(KINDS, st.binary(max_size=60))
def test_whatever_stands_in_a_cursor_is_a_key_or_refused(kinds: list[type[Part]], forged: bytes) -> None:
    try:
        key = listing(kinds).key_in(encode(forged, scope="list"))
    except InvalidCursor:
        return
    assert key is not None
    for kind, part in zip(kinds, key, strict=True):
        assert isinstance(part, kind)
        assert not isinstance(part, int) or part <= 2**31 - 1  # more than PostgreSQL's integer would be an error there
        assert not isinstance(part, str) or "\0" not in part  # as would this


@pytest.mark.parametrize(
    ("kind", "forged"),
    [
        (int, b"\x80\0\0\0"),
        (datetime, b"\xff" * 8),
        (str, b"\0\x01\0"),
        (str, b"\0\x05four"),
        (str, b"\0\x01\xff"),
        (UUID, b"\0" * 17),
        (UUID, b""),
    ],
)
def test_what_no_list_has_said_is_refused(kind: type[Part], forged: bytes) -> None:
    with pytest.raises(InvalidCursor):
        listing([kind]).key_in(encode(forged, scope="list"))


def test_the_last_page_has_no_cursor_and_the_first_needs_none() -> None:
    own = listing([int])
    assert own.page([(1,)], limit=1).next is None
    assert own.page([], limit=1).items == []
    assert own.key_in(None) is None
