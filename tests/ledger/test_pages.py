"""Writing down, changing, deleting and restoring on pages."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest
from tests.browsing import Window, open_window, path_of
from tests.ledger.recording import category_ids, record

from expenses.ledger.forms import plain_amount

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

HOSTILE = """<script>alert(1)</script>'"><img src=x onerror=alert(2)>"""


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    return await open_window(app, client, anna)


async def test_an_expense_needs_only_an_amount_and_a_merchant(window: Window) -> None:
    answer = await window.post(f"{window.home}/expenses", amount="12,50", merchant=" Bookshop ", currency="EUR")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{window.home}/months/2026-11")
    month = await window.get(answer.headers["location"])
    assert "Bookshop" in month.text
    assert "Added: Bookshop" in month.text
    assert 'class="figures">12.50<' in month.text


async def test_who_writes_an_expense_down_is_who_paid(client: httpx.AsyncClient, anna: Person, window: Window) -> None:
    await window.add()
    answer = await client.get(f"{anna.url}/expenses?q=payer:me", headers=anna.headers)
    assert [each["payer_id"] for each in answer.json()["items"]] == [str(anna.user.id)]


async def test_an_expense_of_another_day_leads_to_its_month(window: Window) -> None:
    answer = await window.post(
        f"{window.home}/expenses", amount="1", merchant="x", currency="EUR", spent_on="2024-02-29"
    )
    assert answer.headers["location"] == f"{window.home}/months/2024-02"


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"amount": "12.505"}, "amount", "EUR has 2 digits after the decimal point."),
        ({"amount": "1.5", "currency": "JPY"}, "amount", "JPY has no digits after the decimal point."),
        ({"amount": "1,234"}, "amount", "An amount is digits with at most one decimal point, such as 12.50 or -3."),
        ({"amount": ""}, "amount", "An amount is digits"),
        ({"amount": "1e3"}, "amount", "An amount is digits"),
        ({"amount": "9" * 30}, "amount", "The largest amount is"),
        ({"currency": "ZZZ"}, "currency", "There is no currency with this code"),
        ({"currency": "DEM"}, "currency", ""),
        ({"merchant": "  "}, "merchant", "Say where, or for what."),
        ({"merchant": "x" * 201}, "merchant", "At most 200 characters."),
        ({"merchant": "a\0b"}, "merchant", "It holds a character that cannot be stored."),
        ({"spent_on": "2026-02-29"}, "spent_on", "There is no such day"),
        ({"spent_on": "0026-11-22"}, "spent_on", "The day must be between"),
        ({"category_id": "nonsense"}, "category_id", "There is no such category in this workspace."),
        ({"category_id": "01a20435-214c-7d53-9b43-75e939763ba6"}, "category_id", "There is no such category"),
    ],
)
async def test_what_is_wrong_with_an_expense_stands_beside_its_field_and_the_rest_stays(
    window: Window, fields: dict[str, str], field: str, message: str
) -> None:
    data = {"amount": "12.50", "merchant": "Book <shop>", "currency": "EUR"} | fields
    answer = await window.post(f"{window.home}/expenses", **data)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert html.escape(message) in answer.text
    if "merchant" not in fields:
        assert 'value="Book &lt;shop&gt;"' in answer.text
    assert answer.headers["hx-retarget"] == "#add"
    assert "A clean page." in (await window.get(f"{window.home}/months/2026-11")).text


async def test_all_that_is_wrong_is_said_at_once(window: Window) -> None:
    answer = await window.post(f"{window.home}/expenses", amount="x", merchant="", currency="EUR", spent_on="soon")
    for field in ("amount", "merchant", "spent_on"):
        assert f'id="{field}-error"' in answer.text


async def test_a_note_of_a_megabyte_is_refused_and_one_that_is_too_long_stays_in_the_form(window: Window) -> None:
    expense = await window.add()
    fields = {"amount": "4.80", "merchant": "Corner Bakery", "currency": "EUR", "spent_on": "2026-11-22"}
    assert (await window.post(expense, **fields, note="x" * 1_000_000)).status_code == 413
    answer = await window.post(expense, **fields, note="y" * 10_001)
    assert answer.status_code == 422
    assert 'id="note-error"' in answer.text
    assert "y" * 10_001 in answer.text


async def test_html_in_every_field_is_shown_as_text(window: Window) -> None:
    expense = await window.add(merchant=HOSTILE, note=HOSTILE, tags=HOSTILE[:40])
    await window.post(f"{window.home}/categories", name=HOSTILE, color="#2f8272")
    for path in (f"{window.home}/months/2026-11", expense, f"{window.home}/categories"):
        text = (await window.get(path)).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


async def test_a_changed_expense_keeps_what_the_form_does_not_show(window: Window) -> None:
    expense = await window.add(tags="gift, school, gift", note="two\r\nlines")
    form = (await window.get(expense)).text
    assert 'value="gift, school"' in form
    assert "two\nlines" in form
    answer = await window.post(
        expense, amount="5", merchant="Bakery", currency="EUR", spent_on="2026-11-21", tags="gift", version="1"
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"{window.home}/months/2026-11")
    month = (await window.get(answer.headers["location"])).text
    assert "Saved: Bakery" in month
    assert "Yesterday" in month


async def test_a_deleted_expense_is_gone_and_the_next_page_offers_to_undo_it_once(window: Window) -> None:
    expense = await window.add(merchant="Secret Bakery")
    answer = await window.post(f"{expense}/delete")
    assert answer.status_code == 303
    assert "Secret" not in str(answer.headers)
    month = (await window.get(answer.headers["location"])).text
    assert f'action="{expense}/restore"' in month
    assert "Secret" not in month
    assert "restore" not in (await window.get(answer.headers["location"])).text
    assert (await window.get(expense)).status_code == 404
    await window.post(f"{expense}/restore")
    assert "Back again: Secret Bakery" in (await window.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    "cookie", ["deleted.", "deleted.x", "../x", "deleted.01a20435-214c-7d53-9b43-75e939763ba6;<b>"]
)
async def test_a_forged_sentence_is_not_shown(window: Window, cookie: str) -> None:
    answer = await window.get(f"{window.home}/months/2026-11", Cookie=f"done={cookie}; " + cookies(window))
    assert answer.status_code == 200
    assert "<b>" not in answer.text


def cookies(window: Window) -> str:
    return "; ".join(f"{name}={value}" for name, value in window.client.cookies.items())


@pytest.mark.parametrize("action", ["expenses", "expenses/{id}", "expenses/{id}/delete", "expenses/{id}/restore"])
@pytest.mark.parametrize("token", ["", "x" * 43])
async def test_every_form_needs_the_session_s_token(window: Window, action: str, token: str) -> None:
    expense = await window.add()
    path = f"{window.home}/" + action.replace("{id}", expense.rpartition("/")[2])
    fields = {"amount": "9", "merchant": "Forged", "currency": "EUR", "csrf_token": token}
    assert (await window.post(path, **fields)).status_code == 403
    month = (await window.get(f"{window.home}/months/2026-11")).text
    assert "Corner Bakery" in month
    assert "Forged" not in month


@pytest.mark.parametrize("action", ["categories", "categories/{id}/archive"])
async def test_the_forms_of_categories_need_the_session_s_token(window: Window, action: str) -> None:
    category = "01a20435-214c-7d53-9b43-75e939763ba6"
    path = f"{window.home}/" + action.replace("{id}", category)
    assert (await window.post(path, name="Forged", color="#2f8272", csrf_token="wrong")).status_code == 403
    assert "Forged" not in (await window.get(f"{window.home}/categories")).text


async def test_somebody_else_s_workspace_is_not_there_whatever_one_asks_of_it(window: Window, people: People) -> None:
    other = await people.sign_up()
    theirs = path_of(other.workspace)
    mine = await window.add()
    foreign = f"{theirs}/expenses/{mine.rpartition('/')[2]}"
    for path in (f"{theirs}/", f"{theirs}/months/2026-11", f"{theirs}/categories", foreign):
        assert (await window.get(path)).status_code == 404
    fields = {"amount": "9", "merchant": "x", "currency": "EUR", "name": "x", "color": "#2f8272"}
    for path in (f"{theirs}/expenses", foreign, f"{foreign}/delete", f"{foreign}/restore", f"{theirs}/categories"):
        assert (await window.post(path, **fields)).status_code == 404


async def test_a_viewer_sees_everything_and_gets_no_forms(
    app: FastAPI, client: httpx.AsyncClient, people: People, anna: Person
) -> None:
    owner = await people.sign_up()
    await people.join(anna, owner.workspace, "viewer")
    window = await open_window(app, client, anna)
    theirs = path_of(owner.workspace)
    month = await window.get(f"{theirs}/months/2026-11")
    assert month.status_code == 200
    assert 'id="add"' not in month.text
    assert "New category" not in (await window.get(f"{theirs}/categories")).text
    answer = await window.post(f"{theirs}/expenses", amount="1", merchant="x", currency="EUR")
    assert answer.status_code == 403


async def test_a_category_that_cannot_be_made_says_why_beside_its_field(window: Window) -> None:
    answer = await window.post(f"{window.home}/categories", name="Groceries", color="#2f8272")
    assert answer.status_code == 409
    assert 'id="name-error"' in answer.text
    answer = await window.post(f"{window.home}/categories", name="New", color="red")
    assert answer.status_code == 422
    assert 'id="color-error"' in answer.text


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("12.50", "12.50"),
        ("12,5", "12.5"),
        (" 1 234.50 ", "1234.50"),
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1.234.567,8", "1234567.8"),
        ("1'234.50", "1234.50"),
        ("\N{MINUS SIGN}3", "-3"),
        ("-1,5", "-1.5"),
        ("1,234", "1,234"),  # a thousand or one and a bit: not guessed
        ("1,23,456.7", "1,23,456.7"),
        ("1.2.3", "1.2.3"),
        ("12,5,", "12,5,"),
        ("", ""),
    ],
)
def test_amounts_are_read_as_people_write_them_unless_they_could_mean_two_things(typed: str, read: str) -> None:
    assert plain_amount(typed) == read


async def test_an_expense_is_divided_among_people_and_has_another_payer(
    client: httpx.AsyncClient, anna: Person, people: People, window: Window
) -> None:
    expense = await window.add("10.01")
    alone = (await window.get(expense)).text
    assert "Who paid" not in alone
    ben = await people.sign_up(display_name="Ben")
    await people.join(ben, anna.workspace, "member")
    shown = (await window.get(expense)).text
    assert f'<option value="{anna.user.id}" selected>Anna</option>' in shown
    assert f'name="among_{ben.user.id}">Ben' in shown
    fields = {"amount": "10.01", "merchant": "Bakery", "currency": "EUR", "spent_on": "2026-11-22"}
    boxes = {f"among_{each.user.id}": "on" for each in (anna, ben)}
    mine = {"has_division": "yes", "payer_id": str(ben.user.id)}
    assert (await window.post(expense, version="1", **fields, **mine, **boxes)).status_code == 303
    (saved,) = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]
    assert saved["payer_id"] == str(ben.user.id)
    assert sorted(each["value"] for each in saved["shares"]) == ["5.00", "5.01"]
    shown = (await window.get(expense)).text
    assert f'name="among_{ben.user.id}" checked>Ben' in shown
    for wrong, message in [
        ({"payer_id": ""} | boxes, "Say who paid what is divided"),
        ({"payer_id": "x"}, "The payer is not a member"),
        ({"among_x": "on"}, "Only members of the workspace can bear"),
        ({f"among_{anna.user.id}": "on", "amount": ""}, "An amount is digits"),
    ]:
        refused = await window.post(expense, version="2", **(fields | mine | wrong))
        assert (refused.status_code, message in refused.text) == (422, True), wrong
        assert (f'among_{ben.user.id}" checked' in refused.text) == (boxes.items() <= wrong.items()), wrong
    assert (await window.post(expense, version="2", **fields, **mine)).status_code == 303
    (saved,) = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]
    assert (saved["split"], saved["payer_id"], saved["version"]) == (None, str(ben.user.id), 3)


async def test_editing_an_expense_keeps_its_lines_and_divides_it_as_before(
    client: httpx.AsyncClient, anna: Person, window: Window
) -> None:
    ids = await category_ids(client, anna)
    lines = [{"category_id": ids["Fuel"], "value": "3.00", "note": "full"}, {"category_id": None, "value": "0.80"}]
    split = {"mode": "even", "among": [str(anna.user.id)]}
    expense = await record(client, anna, lines=lines, split=split)
    url = f"{window.home}/expenses/{expense['id']}"
    shown = (await window.get(url)).text
    for text in ("What it consists of", "Fuel", "full", ">0.80<", "Who bears what", "Anna", "readonly"):
        assert text in shown
    assert 'name="category_id"' not in shown
    fields = {"amount": "3.80", "currency": "EUR", "merchant": "Petrol Nord", "spent_on": "2026-11-20"}
    answer = await window.post(url, version="1", has_lines="yes", **fields)
    assert answer.status_code == 303
    saved = (await client.get(f"{anna.url}/expenses/{expense['id']}", headers=anna.headers)).json()
    changed = {"merchant": "Petrol Nord", "spent_on": "2026-11-20", "note": "", "tags": [], "version": 2}
    assert saved == expense | changed
    refused = await window.post(url, version="2", has_lines="yes", **(fields | {"amount": "3.81"}))
    assert (refused.status_code, "0.01 less than the amount" in refused.text) == (422, True)
