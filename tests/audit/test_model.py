"""What goes on record about a change, whatever it is that was changed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from expenses.audit.model import event_about, event_of
from expenses.ledger.categories import Category
from expenses.logs import REQUEST_ID

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_anything_can_go_on_record_with_what_it_was_and_what_it_is() -> None:
    member = uuid4()
    event = event_about(
        "member", member, "change", before={"role": "viewer"}, after={"role": "admin"}, actor_id=None, now=NOW
    )
    assert (event.entity, event.entity_id, event.action) == ("member", member, "change")
    assert (event.before, event.after) == ({"role": "viewer"}, {"role": "admin"})


def test_a_thing_of_ours_says_itself_what_it_is() -> None:
    category = Category(uuid4(), None, "Food", "#15803d", 1)
    event = event_of("create", before=None, after=category, actor_id=None, now=NOW)
    assert (event.entity, event.entity_id, event.before) == ("category", category.id, None)
    assert event.after == category.snapshot()


def test_an_event_carries_the_id_of_its_request() -> None:
    before = REQUEST_ID.set("r-1")
    event = event_about("member", uuid4(), "leave", before={}, after=None, actor_id=None, now=NOW)
    REQUEST_ID.reset(before)
    assert event.request_id == "r-1"


def test_a_change_of_nothing_cannot_go_on_record() -> None:
    with pytest.raises(ValueError, match="nothing was changed"):
        event_of("change", before=None, after=None, actor_id=None, now=NOW)
