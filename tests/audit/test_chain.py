"""What the chain of events shows, and that storing an event does not change its spelling."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import select, text

from expenses.audit.chain import START, canonical, linked
from expenses.audit.model import AuditEvent
from expenses.audit.queries import event_in, insert_audit_events
from expenses.audit.tables import audit_event
from expenses.db import transaction

if TYPE_CHECKING:
    from tests.people import Person

    from expenses.db import Session

WORKSPACE = UUID("01920000-0000-7000-8000-000000000001")
THING = UUID("01920000-0000-7000-8000-000000000002")
EVENT = AuditEvent(
    id=UUID("01920000-0000-7000-8000-000000000003"),
    at=datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC),
    actor_id=None,
    entity="expense",
    entity_id=THING,
    action="change",
    before={"note": "Käse", "version": 1},
    after={"version": 2, "note": "Käse \N{CHEESE WEDGE}", "tags": ["a", None], "amount": {"value": "1.10"}},
)

# Everything that PostgreSQL can store as text: no U+0000, no half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def test_the_canonical_form_is_this_one_for_good() -> None:
    spelled = canonical(WORKSPACE, EVENT)
    assert spelled.decode() == (
        '[1,"01920000-0000-7000-8000-000000000001","01920000-0000-7000-8000-000000000003",'
        '"2026-11-22T12:00:00.000001+00:00",null,"expense","01920000-0000-7000-8000-000000000002","change",'
        '{"note":"Käse","version":1},'
        '{"amount":{"value":"1.10"},"note":"Käse \N{CHEESE WEDGE}","tags":["a",null],"version":2},null]'
    )
    assert linked(START, spelled).hex() == "ec5dcf6ba1ea53b1c6ef33a0ae6b3cbae7e3a48e89acadeb8ef23dbd2f546cb3"


def test_neither_the_order_of_keys_nor_the_time_zone_counts() -> None:
    after = dict(reversed(list((EVENT.after or {}).items())))
    elsewhere = EVENT.at.astimezone(timezone(timedelta(hours=9)))
    assert canonical(WORKSPACE, replace(EVENT, after=after, at=elsewhere)) == canonical(WORKSPACE, EVENT)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": THING},
        {"at": EVENT.at + timedelta(microseconds=1)},
        {"actor_id": THING},
        {"entity": "category"},
        {"entity_id": WORKSPACE},
        {"action": "delete"},
        {"before": None},
        {"after": {"version": 3}},
        {"request_id": "r-1"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_field_counts(changed: dict[str, Any]) -> None:
    assert canonical(WORKSPACE, replace(EVENT, **changed)) != canonical(WORKSPACE, EVENT)


def test_an_event_of_another_workspace_is_another_one() -> None:
    assert canonical(THING, EVENT) != canonical(WORKSPACE, EVENT)


@pytest.mark.parametrize("value", [1.5, Decimal("1.5"), {1: "one"}, {"deep": [{"er": 0.1}]}, b"bytes"])
def test_what_has_more_than_one_spelling_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="audit event"):
        canonical(WORKSPACE, replace(EVENT, after={"value": value}))


@pytest.mark.anyio
async def test_the_canonical_form_survives_being_stored(session: Session, anna: Person) -> None:
    """One event with many states, as one database and one event loop serve all examples."""
    home = anna.workspace.id
    states: list[Any] = []

    @settings(max_examples=300, database=None, derandomize=True)
    @given(st.dictionaries(TEXTS, VALUES, max_size=4))
    def collect(state: dict[str, Any]) -> None:
        states.append(state)

    collect()
    new = [
        replace(EVENT, id=UUID(int=number + 1), entity_id=UUID(int=number // 3 + 1), before=state, after=state)
        for number, state in enumerate(states)
    ]
    async with transaction(session):
        await insert_audit_events(session, workspace_id=home, new=new)
    rows = (await session.execute(select(audit_event).order_by(audit_event.c.id))).all()
    found = {row.id: row for row in rows}
    previous = START
    for event in new:
        row = found[event.id]
        assert canonical(home, event_in(row)) == canonical(home, event)
        previous = linked(START if row.seq == 1 else previous, canonical(home, event))
        assert row.hash == previous


@pytest.mark.anyio
async def test_adding_to_a_chain_reads_its_last_link_only(session: Session, anna: Person) -> None:
    plan = "\n".join(
        row[0]
        for row in await session.execute(
            text(
                "EXPLAIN SELECT seq, hash FROM audit_event WHERE workspace_id = :home AND entity_id = :thing"
                " AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1"
            ),
            {"home": anna.workspace.id, "thing": THING},
        )
    )
    assert "Index Scan Backward using audit_event_chain_key" in plan
