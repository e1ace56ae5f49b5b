"""The page of one expense: for who was too late with a change, and for who may only look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.browsing import Window, form_on, open_window, path_of
from tests.ledger.recording import COFFEE, category_ids, record

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    return await open_window(app, client, anna)


@pytest.fixture
async def ben(people: People, anna: Person) -> Person:
    """Somebody else in Anna's workspace."""
    ben = await people.sign_up(display_name="Ben")
    await people.join(ben, anna.workspace, "member")
    return ben


def now_said(page: httpx.Response) -> dict[str, str]:
    """What the answer lists as being there by now."""
    found = re.search(r'role="alert".*?</div>\n</div>', page.text, re.DOTALL)
    assert found, page.text
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", found[0]))


async def test_who_was_too_late_sees_what_their_form_would_overwrite_and_nothing_else(
    client: httpx.AsyncClient, window: Window, anna: Person, ben: Person
) -> None:
    ids = await category_ids(client, anna)
    expense = await record(client, anna)
    url = f"{window.home}/expenses/{expense['id']}"
    seen = form_on(await window.get(url), url)
    change = {
        "merchant": HOSTILE,
        "amount": {"value": "1234", "currency": "JPY"},
        "category_id": ids["Groceries"],
        "tags": [],
        "payer_id": str(ben.user.id),
        "split": {"mode": "weights", "weights": [{"user_id": str(ben.user.id), "weight": 2}]},
    }
    api = f"{anna.url}/expenses/{expense['id']}"
    assert (await client.patch(api, json=change, headers=ben.headers)).status_code == 200
    late = await window.post(url, **seen | {"note": "mine"})
    assert late.status_code == 412
    assert HOSTILE not in late.text
    assert now_said(late) == {
        "Amount": "1,234 JPY",
        "Where": HOSTILE.replace("<", "&lt;").replace(">", "&gt;"),
        "Category": "Groceries",
        "Who paid": "Ben",
        "Divided": "not evenly among Ben",
        "Note": COFFEE["note"],
        "Tags": "Nothing",
    }
    assert 'value="3.80"' in late.text
    assert "\nmine</textarea>" in late.text
    assert f'<a href="{url}">start from what is there now</a>' in late.text


async def test_who_typed_what_somebody_else_saved_is_told_of_no_difference(
    client: httpx.AsyncClient, window: Window, anna: Person
) -> None:
    expense = await record(client, anna)
    url = f"{window.home}/expenses/{expense['id']}"
    seen = form_on(await window.get(url), url)
    await client.patch(f"{anna.url}/expenses/{expense['id']}", json={"note": "same"}, headers=anna.headers)
    late = await window.post(url, **seen | {"note": "same", "amount": "3,8"})
    assert (late.status_code, now_said(late)) == (412, {})


async def test_an_amount_that_lines_have_come_to_meanwhile_can_be_saved_over(
    client: httpx.AsyncClient, window: Window, anna: Person
) -> None:
    expense = await record(client, anna)
    url = f"{window.home}/expenses/{expense['id']}"
    seen = form_on(await window.get(url), url)
    lines = [{"category_id": None, "value": "3.00"}, {"category_id": None, "value": "2.00"}]
    change = {"amount": {"value": "5.00", "currency": "EUR"}, "lines": lines}
    api = f"{anna.url}/expenses/{expense['id']}"
    assert (await client.patch(api, json=change, headers=anna.headers)).status_code == 200
    late = await window.post(url, **seen | {"note": "mine"})
    assert now_said(late) == {"Amount": "5.00 EUR", "Note": COFFEE["note"]}
    assert (await window.post(url, **form_on(late, url))).status_code == 303
    saved = (await client.get(api, headers=anna.headers)).json()
    assert (saved["amount"]["value"], len(saved["lines"]), saved["note"]) == ("5.00", 2, "mine")


async def test_what_can_no_longer_be_chosen_stays_chosen_and_is_refused(
    client: httpx.AsyncClient, window: Window, anna: Person
) -> None:
    ids = await category_ids(client, anna)
    expense = await record(client, anna, category_id=ids["Groceries"])
    archived = await client.delete(f"{anna.url}/categories/{ids['Groceries']}", headers=anna.headers)
    assert archived.status_code == 204
    url = f"{window.home}/expenses/{expense['id']}"
    seen = form_on(await window.get(url), url)
    change = {"category_id": ids["Transport"]}
    api = f"{anna.url}/expenses/{expense['id']}"
    assert (await client.patch(api, json=change, headers=anna.headers)).status_code == 200
    again = form_on(await window.post(url, **seen | {"note": "mine"}), url)
    assert again["category_id"] == ids["Groceries"]
    assert (await window.post(url, **again)).status_code == 422
    assert (await client.get(api, headers=anna.headers)).json()["category_id"] == ids["Transport"]


async def test_a_viewer_opens_an_expense_from_the_lists_and_finds_nothing_to_change(
    app: FastAPI, client: httpx.AsyncClient, people: People, anna: Person, ben: Person
) -> None:
    ids = await category_ids(client, anna)
    lines = [{"category_id": ids["Fuel"], "value": "3.00", "note": "full"}, {"category_id": None, "value": "0.80"}]
    split = {"mode": "even", "among": [str(anna.user.id), str(ben.user.id)]}
    expense = await record(client, anna, lines=lines, split=split, merchant=HOSTILE)
    viewer = await people.sign_up()
    await people.join(viewer, anna.workspace, "viewer")
    window = await open_window(app, client, viewer)
    home = path_of(anna.workspace)
    url = f"{home}/expenses/{expense['id']}"
    for path, link in [("months/2026-11", f"../expenses/{expense['id']}"), ("expenses", f"expenses/{expense['id']}")]:
        assert f'href="{link}"' in (await window.get(f"{home}/{path}")).text
    shown = await window.get(url)
    assert shown.status_code == 200
    for text in (
        "3.80 EUR",
        "22 Nov 2026",
        "evenly among Anna, Ben",
        COFFEE["note"],
        "coffee, breakfast",
        "Fuel",
        "full",
    ):
        assert text in shown.text
    for text in (HOSTILE, 'name="version"', "/delete", "/history", "<textarea", "Save"):
        assert text not in shown.text
    for path, fields in ((url, {"amount": "x"}), (f"{url}/delete", {})):
        assert (await window.post(path, **fields)).status_code == 403
