from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from expenses.ledger.wire import CategoryOut, ExpenseOut

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

pytestmark = pytest.mark.anyio

COFFEE: dict[str, Any] = {
    "spent_on": "2026-11-22",
    "amount": {"value": "3.80", "currency": "EUR"},
    "merchant": "Corner Bakery",
    "note": "with Anna",
    "tags": ["coffee", "breakfast"],
}


async def record(client: httpx.AsyncClient, person: Person, **changed: object) -> dict[str, Any]:
    answer = await client.post(f"{person.url}/expenses", json=COFFEE | changed, headers=person.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_is_recorded_can_be_read_back_unchanged(client: httpx.AsyncClient, anna: Person) -> None:
    answer = await client.post(f"{anna.url}/expenses", json=COFFEE, headers=anna.headers)
    assert answer.status_code == 201
    expense = answer.json()
    assert expense == COFFEE | {
        "id": expense["id"],
        "category_id": None,
        "payer_id": str(anna.user.id),
        "version": 1,
    }
    assert answer.headers["ETag"] == '"1"'
    ExpenseOut.model_validate_json(answer.content, strict=True)
    again = await client.get(answer.headers["Location"], headers=anna.headers)
    assert (again.json(), again.headers["ETag"]) == (expense, '"1"')
    listed = await client.get(f"{anna.url}/expenses", headers=anna.headers)
    assert listed.json() == {"items": [expense], "next": None}


async def test_categories_begin_with_a_sensible_set(client: httpx.AsyncClient, anna: Person) -> None:
    answer = await client.get(f"{anna.url}/categories", headers=anna.headers)
    assert answer.status_code == 200
    items = answer.json()["items"]
    for item in items:
        CategoryOut.model_validate(item)
    tops = {item["id"]: item["name"] for item in items if item["parent_id"] is None}
    assert "Groceries" in tops.values()
    assert {item["parent_id"] for item in items} - {None} <= set(tops)
    assert (await client.get(f"{anna.url}/categories", headers=anna.headers)).json()["items"] == items
