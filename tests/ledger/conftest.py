"""What several tests of the ledger begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.recording import category_ids, record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person


@pytest.fixture
async def shelf(client: httpx.AsyncClient, anna: Person, people: People) -> Person:
    """Ben, who belongs to Anna's workspace, where six different expenses are."""
    ben = await people.sign_up("ben@example.org", "Ben Okafor")
    await people.join(ben, anna.workspace, "member")
    ids = await category_ids(client, anna)
    account = await client.post(f"{anna.url}/payment-accounts", json={"name": "Visa gold"}, headers=anna.headers)
    visa = {"account_id": account.json()["id"]}
    both = {"split": {"mode": "even", "among": [str(anna.user.id), str(ben.user.id)]}}
    await client.put(f"{anna.url}/rates/EUR/JPY/2026-03-30", json={"rate": "150"}, headers=anna.headers)
    expenses: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("2025-12-31", "50.00", "EUR", "Corner Bakery", visa | {"tags": ["holiday"], "category_id": ids["Coffee"]}),
        ("2026-01-01", "50.01", "EUR", "Bookshop", {"note": "a corner, dusty", "category_id": ids["Hobbies"]}),
        ("2026-02-28", "50", "JPY", "Onigiri stand", both | {"category_id": ids["Restaurants"]}),
        ("2026-03-31", "51", "JPY", "Onigiri Stand", {"payer_id": str(ben.user.id)}),
        ("2026-04-01", "50.001", "KWD", "Souk", {"tags": ["Holiday", "two words"], "payer_id": None}),
        ("2026-04-02", "-12.00", "EUR", "Bookshop", {"category_id": ids["Hobbies"]}),
    ]
    for day, value, currency, merchant, more in expenses:
        amount = {"value": value, "currency": currency}
        fields = {"note": "", "tags": []} | more
        await record(client, anna, spent_on=day, amount=amount, merchant=merchant, **fields)
    return ben
