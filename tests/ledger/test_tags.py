"""The tags in use: counted, most used first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ledger.recording import record

from expenses.ledger import search_queries

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


async def test_tags_are_counted_among_the_newest_living_expenses(
    client: httpx.AsyncClient, anna: Person, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(client, await people.sign_up(), tags=["theirs"])
    for day, tags in [("01", ["old"]), ("02", ["b", "a"]), ("03", ["b"]), ("04", []), ("05", ["c c"])]:
        await record(client, anna, spent_on=f"2026-11-{day}", tags=tags)
    gone = await record(client, anna, tags=["gone"])
    await client.delete(f"{anna.url}/expenses/{gone['id']}", headers=anna.headers)
    monkeypatch.setattr(search_queries, "FAR", 4)
    found = (await client.get(f"{anna.url}/tags", headers=anna.headers)).json()
    counts = [{"name": "b", "count": 2}, {"name": "a", "count": 1}, {"name": "c c", "count": 1}]
    assert found == {"items": counts, "next": None}
    assert len((await client.get(f"{anna.url}/tags?limit=1", headers=anna.headers)).json()["items"]) == 1
