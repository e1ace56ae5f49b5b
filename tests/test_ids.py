"""Identifiers sort by the time they were made at."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from expenses.ids import read_id, uuid7

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_an_id_is_a_version_7_uuid_of_its_millisecond() -> None:
    made = uuid7(NOON)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(NOON.timestamp() * 1000)


def test_ids_sort_by_the_microsecond_they_were_made_at() -> None:
    made = [uuid7(NOON + timedelta(microseconds=n)) for n in range(2000)]
    assert made == sorted(made)


def test_ids_of_the_same_moment_differ_and_sort_as_they_were_made() -> None:
    made = [uuid7(NOON) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made == sorted(made)


def test_an_id_is_read_in_its_usual_spelling_only() -> None:
    made = uuid7(NOON)
    assert read_id(str(made)) == made == UUID(str(made))
    assert isinstance(made, UUID)
    assert {made: 1}[UUID(str(made))] == 1
    for text in ("", made.hex, f"{{{made}}}", f"{made}0", f"{made.hex}----", "x" * 36, f"{str(made)[:-1]}é"):
        with pytest.raises(ValueError, match=r"an id has|UUID"):
            read_id(text)
