"""Terms and parameters of a search narrow each other down, whichever stand together."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.ledger.recording import category_ids
from tests.ledger.test_listing import page
from tests.ledger.test_searching import FOUND

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

pytestmark = pytest.mark.anyio


async def test_any_terms_and_parameters_together_find_what_each_of_them_finds(
    client: httpx.AsyncClient, anna: Person, shelf: Person
) -> None:
    ids = await category_ids(client, anna)
    alone = [({"q": q}, set(days)) for q, days in FOUND if q]
    for params in (
        {"min": "50"},
        {"max": "50.5"},
        {"tag": "holiday"},
        {"merchant": "o"},
        {"from": "2026-01-01"},
        {"to": "2026-03-31"},
        {"payer_id": str(shelf.user.id)},
        {"category_id": "none"},
        {"category_id": ids["Eating out"]},
    ):
        found = await page(client, anna, **params)
        alone.append((params, {item["spent_on"] for item in found["items"]}))
    random = Random(4)  # noqa: S311 - examples, not secrets
    nonempty = 0
    for _ in range(50):
        chosen = random.sample(alone, random.choice([2, 2, 3]))
        params = {name: value for each, _ in chosen for name, value in each.items() if name != "q"}
        terms = " ".join(each["q"] for each, _ in chosen if "q" in each)
        if len(params) < sum("q" not in each for each, _ in chosen):
            continue  # a parameter twice: the last one counts
        days = set.intersection(*(days for _, days in chosen))
        found = await page(client, anna, **params, **({"q": terms} if terms else {}))
        assert [item["spent_on"] for item in found["items"]] == sorted(days, reverse=True), (terms, params)
        nonempty += bool(days)
    assert nonempty > 8
