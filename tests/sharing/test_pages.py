"""The page that says who owes whom."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from tests.browsing import Window, open_window
from tests.ledger.recording import record

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ben(people: People, anna: Person) -> Person:
    """Somebody else in Anna's workspace, with a name that a page must escape."""
    ben = await people.sign_up("ben@example.org", "<b>Ben")
    await people.join(ben, anna.workspace, "member")
    return ben


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    return await open_window(app, client, anna)


async def test_a_suggestion_is_paid_with_one_button_and_taken_back_with_another(
    client: httpx.AsyncClient, anna: Person, ben: Person, window: Window
) -> None:
    assert "Nobody owes anybody anything." in (await window.get(f"{window.home}/balances")).text
    split = {"mode": "even", "among": [str(anna.user.id), str(ben.user.id)]}
    await record(client, anna, amount={"value": "25.00", "currency": "EUR"}, split=split)
    shown = (await window.get(f"{window.home}/balances")).text
    assert '&lt;b&gt;Ben</span><span class="about">pays Anna' in shown
    assert "<b>Ben" not in shown
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown))
    assert fields["amount"] == "12.50"
    answer = await window.post(f"{window.home}/settlements", **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{window.home}/balances")
    shown = (await window.get(f"{window.home}/balances")).text
    assert "Nobody owes anybody anything." in shown
    assert "Payment recorded." in shown
    undo = re.search(r'action="([^"]+/delete)"', shown)
    assert undo
    await window.post(undo[1])
    shown = (await window.get(f"{window.home}/balances")).text
    assert "Payment taken back." in shown
    assert '&lt;b&gt;Ben</span><span class="about">pays Anna' in shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"amount": "1,234"}, "An amount is digits"),
        ({"amount": "-1"}, "more than zero"),
        ({"currency": "ZZZ"}, "There is no currency"),
        ({"to_user_id": ""}, "Choose somebody."),
        ({"to_user_id": "ANNA"}, "Nobody pays themselves"),
        ({"paid_on": "2026-02-30"}, "There is no such day"),
        ({"note": "x" * 501}, "At most 500 characters."),
    ],
)
async def test_what_was_typed_stays_with_the_reason_beside_it(
    anna: Person, ben: Person, window: Window, *, wrong: dict[str, str], message: str
) -> None:
    fields = {"from_user_id": str(anna.user.id), "to_user_id": str(ben.user.id), "amount": "12,5", "currency": "EUR"}
    fields |= {name: value.replace("ANNA", str(anna.user.id)) for name, value in wrong.items()}
    answer = await window.post(f"{window.home}/settlements", **fields)
    assert answer.status_code == 422
    assert message in html.unescape(answer.text)
    assert f'value="{fields["amount"]}"' in answer.text
