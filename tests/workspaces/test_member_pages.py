"""Members, invitations and settings on pages, as people without JavaScript use them."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.browsing import PAGE, Window, open_window, path_of
from tests.people import PASSWORD

from expenses.workspaces import member_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    return await open_window(app, client, anna)


@pytest.fixture
async def other(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A second browser."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://testserver", headers=PAGE
    ) as client:
        yield client


async def new_link(window: Window, **fields: str) -> str:
    """Make an invitation on the page. Returns the path of its link."""
    page = await window.post(f"{window.home}/invitations", **{"role": "member"} | fields)
    assert page.status_code == 200, page.text
    found = re.search(r'readonly value="https://testserver(/join\?token=[^"]+)"', page.text)
    assert found
    return unescape(found[1])


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_a_link_is_shown_once_and_leads_a_stranger_in(
    window: Window, other: httpx.AsyncClient, anna: Person
) -> None:
    link = await new_link(window, role="viewer", note="Grandma")
    page = (await window.get(f"{window.home}/members")).text
    assert link.partition("=")[2] not in page
    assert "Grandma" in page
    door = await other.get(link)
    assert (door.status_code, "Join Home" in door.text) == (200, True)
    assert anna.user.email not in door.text
    fields = {"csrf_token": hidden(door.text, "csrf_token"), "token": hidden(door.text, "token")}
    wrong = await other.post("/join/register", data=fields | {"email": "gran@example.org", "password": "short"})
    assert wrong.status_code == 422
    assert 'id="password-error"' in wrong.text
    entered = await other.post(
        "/join/register", data=fields | {"email": "gran@example.org", "password": PASSWORD, "display_name": "Gran"}
    )
    assert (entered.status_code, entered.headers["location"]) == (303, f"{window.home}/")
    seen = await other.get(f"{window.home}/members")
    assert seen.status_code == 200
    assert "Invite somebody" not in seen.text, "a viewer is not offered what a viewer may not"
    assert (await other.get(link)).status_code == 404


async def test_somebody_with_an_account_joins_with_one_button(
    app: FastAPI, window: Window, other: httpx.AsyncClient, people: People
) -> None:
    link = await new_link(window)
    away = await other.get(link)
    assert f"/sign-in?next={link.replace('?', '%3F').replace('=', '%3D', 1)[:20]}" in away.text
    ben = await open_window(app, other, await people.sign_up(display_name="Ben"))
    door = (await ben.get(link)).text
    assert "Join as Ben" in door
    assert hidden(door, "csrf_token") == ben.csrf_token
    joined = await ben.post("/join", token=hidden(door, "token"))
    assert (joined.status_code, joined.headers["location"]) == (303, f"{window.home}/members")
    assert "Welcome" in (await ben.get(joined.headers["location"])).text
    again = await ben.post("/join", token=(await new_link(window)).partition("=")[2])
    assert again.headers["location"] == "/workspaces", "members who open a link are led home"


async def test_a_link_that_is_over_says_so_to_people(client: httpx.AsyncClient) -> None:
    page = await client.get("/join?token=exp_inv_nothing", headers=PAGE)
    assert page.status_code == 404
    assert "ask for a new one" in page.text


async def test_an_invitation_is_revoked_on_the_page(window: Window, other: httpx.AsyncClient) -> None:
    link = await new_link(window)
    page = (await window.get(f"{window.home}/members")).text
    revoke = re.search(r'action="([^"]+/revoke)"', page)
    assert revoke
    gone = await window.post(revoke[1])
    assert gone.headers["location"] == f"{window.home}/members"
    assert (await other.get(link)).status_code == 404


async def test_roles_removal_and_handing_over_are_behind_the_name(window: Window, people: People, anna: Person) -> None:
    ben = await people.sign_up(display_name=HOSTILE)
    await people.join(ben, anna.workspace, "viewer")
    theirs = f"{window.home}/members/{ben.user.id}"
    listed = (await window.get(f"{window.home}/members")).text
    assert f'href="{theirs}"' in listed
    assert HOSTILE not in listed
    assert f'href="{window.home}/members/{anna.user.id}"' not in listed
    assert (await window.post(f"{theirs}/role", role="king")).status_code == 422
    for path, fields in (("role", {"role": "admin"}), ("hand-over", {})):
        done = await window.post(f"{theirs}/{path}", **fields)
        assert (done.status_code, done.headers["location"]) == (303, f"{window.home}/members"), path
    refused = await window.post(f"{theirs}/remove")
    assert refused.status_code == 403, "an admin does not remove the owner"
    left = await window.post(f"{window.home}/leave")
    assert (left.status_code, left.headers["location"]) == (303, "/workspaces")
    assert (await window.get(f"{window.home}/members")).status_code == 404


async def test_the_last_owner_is_told_why_they_cannot_leave(window: Window) -> None:
    page = await window.post(f"{window.home}/leave")
    assert page.status_code == 409
    assert "make somebody else an owner first" in page.text


async def test_settings_are_changed_by_those_who_may_and_shown_to_the_others(
    app: FastAPI, window: Window, other: httpx.AsyncClient, people: People, anna: Person
) -> None:
    form = {"name": "Casa", "kind": "company", "base_currency": "CHF", "time_zone": "Europe/Zurich"}
    saved = await window.post(f"{window.home}/settings", **form)
    assert saved.status_code == 303
    page = (await window.get(saved.headers["location"])).text
    assert 'value="Casa"' in page
    assert '<option value="CHF" selected>' in page
    await window.add(currency="CHF")
    refused = await window.post(f"{window.home}/settings", **form | {"base_currency": "EUR"})
    assert refused.status_code == 409
    assert 'id="base_currency-error"' in refused.text
    ben = await people.sign_up(display_name="Ben")
    await people.join(ben, anna.workspace, "member")
    theirs = await open_window(app, other, ben)
    page = (await theirs.get(f"{path_of(anna.workspace)}/settings")).text
    assert "Europe/Zurich" in page
    assert 'name="time_zone"' not in page


def test_every_notice_is_one_that_a_flash_can_carry() -> None:
    assert all(action.isalpha() for action in member_pages._DONE)
