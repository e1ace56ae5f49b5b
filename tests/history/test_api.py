"""What was changed about an expense can be read, field by field."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.ledger.recording import record

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, People, Person

pytestmark = pytest.mark.anyio


async def test_members_see_what_was_changed_about_expenses_and_about_nothing_else(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben, vera = await people.sign_up(), await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    await people.join(vera, anna.workspace, "viewer")
    account = await client.post(f"{anna.url}/payment-accounts", json={"name": "Card"}, headers=anna.headers)
    kept, gone = [(await record(client, anna))["id"] for _ in range(2)]
    await client.delete(f"{anna.url}/expenses/{gone}", headers=anna.headers)
    await client.delete(f"{anna.url}/trash/{gone}", headers=anna.headers)
    for who, thing, status in [
        (ben, kept, 200),
        (vera, kept, 403),
        (ben, gone, 404),
        (anna, gone, 200),
        (ben, account.json()["id"], 404),
        (anna, account.json()["id"], 404),
        (ben, str(anna.workspace.id), 404),
    ]:
        answer = await client.get(f"{anna.url}/expenses/{thing}/history", headers=who.headers)
        assert answer.status_code == status, (who.user.email, thing)
    assert (await client.get(f"{anna.url}/audit", headers=ben.headers)).status_code == 403


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
