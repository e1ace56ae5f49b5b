"""What the tests of the ledger record and look up by way of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

COFFEE: dict[str, Any] = {
    "spent_on": "2026-11-22",
    "amount": {"value": "3.80", "currency": "EUR"},
    "merchant": "Corner Bakery",
    "note": "with Anna",
    "tags": ["coffee", "breakfast"],
}
"""An expense as clients send it."""


async def record(client: httpx.AsyncClient, person: Person, **changed: object) -> dict[str, Any]:
    """A coffee that differs in these fields, recorded."""
    answer = await client.post(f"{person.url}/expenses", json=COFFEE | changed, headers=person.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def category_ids(client: httpx.AsyncClient, person: Person) -> dict[str, str]:
    """The ids of a workspace's categories by their names."""
    answer = await client.get(f"{person.url}/categories", headers=person.headers)
    assert answer.status_code == 200, answer.text
    return {item["name"]: item["id"] for item in answer.json()["items"]}
