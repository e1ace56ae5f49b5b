"""What was changed about an expense can be read, field by field."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.ledger.recording import record

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, Person

pytestmark = pytest.mark.anyio


async def test_the_history_of_an_expense_says_who_changed_what_from_what_to_what(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    expense = await record(client, anna, note="old")
    url = f"{anna.url}/expenses/{expense['id']}"
    clock.turn(timedelta(seconds=1))
    await client.patch(url, json={"note": "new", "tags": ["x"]}, headers=anna.headers)
    clock.turn(timedelta(seconds=1))
    await client.delete(url, headers=anna.headers)
    answer = await client.get(f"{url}/history", headers=anna.headers)
    assert answer.status_code == 200, answer.text
    deleted, changed, created = answer.json()["items"]
    assert [each["action"] for each in (deleted, changed, created)] == ["delete", "change", "create"]
    assert changed["actor_id"] == str(anna.user.id)
    assert changed["differences"] == [
        {"field": "note", "before": "old", "after": "new"},
        {"field": "tags", "before": expense["tags"], "after": ["x"]},
    ]
    assert {"field": "merchant", "before": None, "after": expense["merchant"]} in created["differences"]
    fields = ["spent_on", "amount", "merchant", "note", "tags", "payer_id", "lines", "shares"]
    assert [each["field"] for each in created["differences"] if each["field"] in fields] == fields
    assert deleted["differences"] == []
