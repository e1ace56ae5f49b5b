"""Signing in on the page with a second factor: the password, then the code."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.accounts.factor import set_up
from tests.people import PASSWORD

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, Person

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_passwords")]

COOKIE = "__Host-expenses_session"


def field(answer: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found, answer.text
    return found[1]


async def say_password(client: httpx.AsyncClient, person: Person, **more: str) -> httpx.Response:
    token = field(await client.get("/sign-in"), "csrf_token")
    data = {"csrf_token": token, "email": person.user.email, "password": PASSWORD} | more
    return await client.post("/sign-in", data=data)


async def say_code(client: httpx.AsyncClient, form: httpx.Response, **fields: str) -> httpx.Response:
    hidden = {name: field(form, name) for name in ("csrf_token", "step", "next")}
    return await client.post("/sign-in/code", data=hidden | fields)


async def test_the_page_asks_for_the_code_after_the_password_and_then_goes_on(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    phone = await set_up(client, anna, clock)
    form = await say_password(client, anna, next=f"/w/{anna.workspace.id}/categories")
    assert form.status_code == 200
    assert COOKIE not in client.cookies
    assert form.headers["Cache-Control"] == "no-store"
    wrong = await say_code(client, form, code=phone.wrong_code())
    assert (wrong.status_code, COOKIE in client.cookies) == (401, False)
    assert "This code is wrong" in wrong.text
    done = await say_code(client, wrong, code=phone.next_code())
    assert (done.status_code, done.headers["location"]) == (303, f"/w/{anna.workspace.id}/categories")
    assert COOKIE in client.cookies
    assert (await say_code(client, form, code=phone.next_code())).status_code == 401  # that step is used up


async def test_a_recovery_code_stands_in_for_the_phone_once(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    phone = await set_up(client, anna, clock)
    code = phone.recovery_codes[0]
    for status in (303, 401):
        answer = await say_code(client, await say_password(client, anna), code="", recovery_code=code)
        assert answer.status_code == status
        client.cookies.clear()


async def test_the_code_form_by_itself_opens_nothing(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    phone = await set_up(client, anna, clock)
    assert (await client.get("/sign-in/code")).headers["location"] == "/sign-in"
    token = field(await client.get("/sign-in"), "csrf_token")
    data = {"csrf_token": token, "step": "x" * 43, "next": "/", "code": phone.next_code()}
    expired = await client.post("/sign-in/code", data=data)
    assert (expired.status_code, COOKIE in client.cookies) == (401, False)
    assert "begin again with the password" in expired.text
    form = await say_password(client, anna)
    unsigned = await client.post("/sign-in/code", data={"step": field(form, "step"), "code": phone.code()})
    assert unsigned.status_code == 403
    clock.turn(timedelta(minutes=11))
    assert (await say_code(client, form, code=phone.code())).status_code == 401
    assert COOKIE not in client.cookies
