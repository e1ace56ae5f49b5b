"""The page on which people see to their account, without JavaScript."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.accounts.factor import Phone, set_up
from tests.browsing import PAGE, Window, open_window
from tests.people import PASSWORD

if TYPE_CHECKING:
    from fastapi import FastAPI
    from tests.people import Clock, People, Person

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_passwords")]

FRESH = "another battery, just as long"

FORMS = [
    "profile",
    "password",
    "tokens",
    "tokens/00000000-0000-0000-0000-000000000007/revoke",
    "sessions/end-others",
    "sessions/00000000-0000-0000-0000-000000000007/end",
    "second-factor",
    "second-factor/enable",
    "second-factor/disable",
    "second-factor/recovery-codes",
]


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    """Anna's browser."""
    return await open_window(app, client, anna)


async def text_of(window: Window, path: str = "/security") -> str:
    answer = await window.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


async def test_every_page_leads_to_it_and_strangers_are_sent_to_sign_in(window: Window) -> None:
    month = await window.get(f"{window.home}/months/2026-11")
    assert 'href="/security"' in month.text
    window.client.cookies.clear()
    for path in ("/security", "/security/events"):
        answer = await window.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")


async def test_no_form_of_it_works_without_the_session_s_token(window: Window) -> None:
    for path in FORMS:
        answer = await window.post(f"/security/{path}", csrf_token="wrong")
        assert answer.status_code == 403, path
    page = await window.get("/security")
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", page.text)


async def test_a_token_is_shown_once_with_what_to_do_and_can_be_revoked(window: Window) -> None:
    made = await window.post("/security/tokens", name="Backup <script>", scopes="read", days="7")
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    token = re.search(r'value="(exp_[\w-]{43})"', made.text)
    assert token
    assert "it is not shown again" in made.text
    assert "Backup &lt;script&gt;" in made.text
    headers = {"Authorization": f"Bearer {token[1]}"}
    assert (await window.client.get("/api/v1/me", headers=headers)).status_code == 200
    listed = await window.get("/security")
    assert token[1] not in listed.text
    revoke = re.search(r'action="(/security/tokens/[^"]+/revoke)">[^\n]*Revoke Backup', listed.text)
    assert revoke
    assert (await window.post(revoke[1])).headers["location"] == "/security"
    assert "Token revoked." in await text_of(window)
    assert "Token revoked." not in await text_of(window)
    assert (await window.client.get("/api/v1/me", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "scopes": "read", "days": "7"},
        {"name": "x", "scopes": "root", "days": "7"},
        {"name": "x", "scopes": "read", "days": "366"},
        {"name": "x", "scopes": "read", "days": "seven"},
        {"name": "x", "scopes": "read", "days": "9" * 4000},
    ],
)
async def test_a_token_of_nonsense_is_refused_beside_its_field(window: Window, fields: dict[str, str]) -> None:
    answer = await window.post("/security/tokens", **fields)
    assert answer.status_code == 422
    assert 'class="field-error"' in answer.text
    assert "exp_" not in answer.text


async def test_browsers_are_listed_and_signed_out(
    app: FastAPI, window: Window, client: httpx.AsyncClient, anna: Person
) -> None:
    here = dict(client.cookies)
    await open_window(app, client, anna)
    other = dict(client.cookies)
    client.cookies.clear()
    client.cookies.update(here)
    assert "this one" in await text_of(window)
    assert (await window.post("/security/sessions/end-others")).status_code == 303
    assert "All other browsers are signed out." in await text_of(window)
    client.cookies.clear()
    client.cookies.update(other)
    assert (await client.get("/", headers=PAGE)).headers["location"].startswith("/sign-in")


async def test_the_password_and_the_address_change_with_the_present_password_only(window: Window) -> None:
    wrong = await window.post("/security/password", old_password="not the right one", new_password=FRESH)
    assert wrong.status_code == 403
    assert "This is not your password." in wrong.text
    assert "not the right one" not in wrong.text
    moved = {"display_name": "Anna B", "email": "b@example.org"}
    refused = await window.post("/security/profile", **moved, password="")
    assert (refused.status_code, 'value="b@example.org"' in refused.text) == (403, True)
    assert (await window.post("/security/profile", **moved, password=PASSWORD)).status_code == 303
    assert (await window.post("/security/password", old_password=PASSWORD, new_password=FRESH)).status_code == 303
    assert "Password changed; your other browsers are signed out." in await text_of(window)
    events = await text_of(window, "/security/events")
    assert "Password changed" in events
    assert "E-mail address changed, from anna@example.org" in events


async def test_a_second_factor_is_set_up_and_turned_off_on_the_page(window: Window, clock: Clock) -> None:
    assert (await window.post("/security/second-factor", password="wrong password")).status_code == 403
    begun = await window.post("/security/second-factor", password=PASSWORD)
    secret = re.search(r'class="secret-text">([A-Z2-7]{32})<', begun.text)
    assert secret
    assert 'src="data:image/svg+xml' in begun.text
    phone = Phone(base64.b32decode(secret[1]), clock, [])
    wrong = await window.post("/security/second-factor/enable", code=phone.wrong_code())
    assert (wrong.status_code, secret[1] in wrong.text) == (403, False)
    done = await window.post("/security/second-factor/enable", code=phone.code())
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", done.text)
    assert (done.status_code, len(codes), done.headers["Cache-Control"]) == (200, 10, "no-store")
    assert "10 of 10 recovery codes are left." in await text_of(window)
    fresh = await window.post("/security/second-factor/recovery-codes", password=PASSWORD, code=codes[0])
    assert not set(codes) & set(re.findall(r"<code>([a-z2-7-]{19})</code>", fresh.text))
    for fields in ({"password": PASSWORD, "code": codes[1]}, {"password": "wrong password", "code": phone.next_code()}):
        assert (await window.post("/security/second-factor/disable", **fields)).status_code == 403
    off = await window.post("/security/second-factor/disable", password=PASSWORD, code=phone.code())
    assert off.status_code == 303
    assert "The second factor is off." in await text_of(window)


async def test_what_belongs_to_others_cannot_be_touched(
    app: FastAPI, window: Window, client: httpx.AsyncClient, people: People, clock: Clock
) -> None:
    ben = await people.sign_up()
    await set_up(client, ben, clock)
    (token,) = (await client.get("/api/v1/me/tokens", headers=ben.headers)).json()["items"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://testserver") as other:
        await open_window(app, other, ben)
    (session,) = (await client.get("/api/v1/me/sessions", headers=ben.headers)).json()["items"]
    for path in (f"tokens/{token['id']}/revoke", f"sessions/{session['id']}/end"):
        assert (await window.post(f"/security/{path}")).status_code == 404, path
    assert "Second factor turned on" not in await text_of(window, "/security/events")
    assert (await window.get("/security/events?cursor=nonsense")).status_code == 422
