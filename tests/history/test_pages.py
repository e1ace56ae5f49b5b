"""What was changed about an expense, in words that people read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.browsing import open_window
from tests.ledger.recording import category_ids, record

from expenses.audit.model import event_about
from expenses.history.view import Names, ToldDifference, told

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

HOSTILE = "<script>alert(1)</script>"


@pytest.mark.anyio
async def test_the_page_tells_every_kind_of_change_with_names_and_figures(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up(display_name="Ben")
    await people.join(ben, anna.workspace, "member")
    both = [str(anna.user.id), str(ben.user.id)]
    ids = await category_ids(client, anna)
    card = await client.post(f"{anna.url}/payment-accounts", json={"name": "Card"}, headers=anna.headers)
    await client.put(f"{anna.url}/rates/JPY/EUR/2026-11-20", json={"rate": "0.01"}, headers=anna.headers)
    expense = await record(client, anna, category_id=ids["Coffee"], tags=[], note="")
    url = f"{anna.url}/expenses/{expense['id']}"
    lines = [{"category_id": ids["Fuel"], "value": "900"}, {"category_id": None, "value": "100"}]
    changes: list[dict[str, Any]] = [
        {"note": HOSTILE, "tags": ["a", "b"], "account_id": card.json()["id"], "payer_id": both[1]},
        {"amount": {"value": "1000", "currency": "JPY"}, "lines": lines},
        {"split": {"mode": "even", "among": both}},
        {"split": {"mode": "weights", "weights": [{"user_id": each, "weight": 2} for each in both]}},
    ]
    for change in changes:
        answer = await client.patch(url, json=change, headers=ben.headers)
        assert answer.status_code == 200, answer.text
    await client.delete(url, headers=anna.headers)
    await client.post(f"{url}/restore", headers=anna.headers)
    window = await open_window(app, client, anna)
    edit = f"{window.home}/expenses/{expense['id']}"
    assert f'href="{edit}/history"' in (await window.get(edit)).text
    shown = (await window.get(f"{edit}/history")).text
    words = " ".join(re.sub(r"<[^>]+>", " ", shown.replace("&lt;", "<_").replace("&gt;", "_>")).split())
    for text in (
        "Anna took it out of the trash 2026-11-22 12:00 Anna put it into the trash",
        "Ben changed it 2026-11-22 12:00 Divided evenly among Anna, Ben → Anna with weight 2, Ben with weight 2",
        "Who bears what Anna 500, Ben 500",
        "Amount 3.80 EUR → 1,000 JPY",
        "Category Coffee",
        "Consists of Fuel 900, Uncategorised 100",
        "Converted 10.00 EUR at 0.01 of 2026-11-20",
        "Tags a, b Who paid Anna → Ben Paid from Card",
        "Anna wrote it down",
    ):
        assert text in words, text
    assert HOSTILE not in shown


def test_what_an_older_version_wrote_otherwise_is_shown_as_it_is() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    before, after = {"amount": 5, "split": {"shares": 1}}, {"amount": {"value": "5"}, "split": None, "new": "x"}
    event = event_about("expense", UUID(int=1), "change", before=before, after=after, actor_id=None, now=now)
    change = told(event, names=Names({}, {}, {}), zone=UTC)
    assert change.who == "The service"
    assert change.differences == [
        ToldDifference("Amount", "5", "{'value': '5'}"),
        ToldDifference("Divided", "{'shares': 1}", ""),
        ToldDifference("new", "", "x"),
    ]
