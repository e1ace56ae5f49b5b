"""Every form of a page that changes or takes away what two people can change carries its version, and does nothing when
that is an old one: the answer has what was typed, what is there now, and a way on. Of the API: `test_versions`.

The routes are found in the application: a new one that pages post to stands in `FORMS`, or in `WITHOUT` with a reason.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.browsing import Window, form_on, open_window
from tests.test_versions import STALE, THINGS, Home
from tests.workspaces.routes import PAGES, flat

from expenses.app import create_app
from expenses.config import Settings

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

NEW = "makes something new, and changes nothing that is there"
DOOR = "is about a session, which is made or ended, once and for all"
OWN = "is about what one person has alone, below `/me` in the API too (docs/decisions/0031)"
BACK = "takes nothing away: what is out of the trash stays as it is, and what is in it nobody can have changed"

WITHOUT = {
    **dict.fromkeys(("/sign-in", "/sign-in/code", "/sign-out"), DOOR),
    **dict.fromkeys(("/register", "/join", "/join/register", "/workspaces/new"), NEW),
    **dict.fromkeys((f"{PAGES}/expenses", f"{PAGES}/categories", f"{PAGES}/invitations", f"{PAGES}/settlements"), NEW),
    **dict.fromkeys(
        (f"{PAGES}/expenses/{{expense_id:uuid}}/restore", f"{PAGES}/trash/{{expense_id:uuid}}/restore"), BACK
    ),
    f"{PAGES}/leave": "ends what is one's own, whatever role others have made it",
    **dict.fromkeys(("/security/profile", "/security/password", "/security/tokens"), OWN),
    **dict.fromkeys(("/security/tokens/{token_id:uuid}/revoke", "/security/sessions/{session_id:uuid}/end"), OWN),
    **dict.fromkeys(("/security/sessions/end-others", "/security/second-factor"), OWN),
    **dict.fromkeys((f"/security/second-factor/{each}" for each in ("enable", "disable", "recovery-codes")), OWN),
}
"""Where pages post to without a version, and why."""


@dataclass(frozen=True)
class Form:
    """A form that carries the version of a thing."""

    thing: str
    """Its name in `test_versions.THINGS`, which can make and change it."""
    page: str
    """Where the form stands, below the workspace; `{id}` is the thing's."""
    action: str
    """Where it is sent, below the workspace too."""
    typed: dict[str, str] = field(default_factory=dict)
    """What somebody writes or chooses in it; an answer that refuses it still has that."""
    says: str = ""
    """What the answer says about what is there by now."""
    is_in_trash: bool = False


FORMS = {
    f"{PAGES}/expenses/{{expense_id:uuid}}": [
        Form(
            "expense", "/expenses/{id}", "/expenses/{id}", {"merchant": "Typed", "tags": "x"}, "<dt>Note</dt><dd>a</dd>"
        )
    ],
    f"{PAGES}/expenses/{{expense_id:uuid}}/delete": [
        Form("expense", "/expenses/{id}", "/expenses/{id}/delete"),
        Form("expense", "/months/2026-11", "/expenses/{id}/delete"),
    ],
    f"{PAGES}/trash/{{expense_id:uuid}}/purge": [
        Form("expense", "/trash", "/trash/{id}/purge", is_in_trash=True),
    ],
    f"{PAGES}/categories/{{category_id:uuid}}/archive": [
        Form("category", "/categories", "/categories/{id}/archive", says="<dt>Name</dt><dd>Fresh</dd>")
    ],
    f"{PAGES}/settlements/{{settlement_id:uuid}}/delete": [
        Form("settlement", "/balances", "/settlements/{id}/delete"),
    ],
    f"{PAGES}/settings": [
        Form("workspace", "/settings", "/settings", {"time_zone": "Europe/Berlin"}, "<dt>Name</dt><dd>a</dd>"),
    ],
    f"{PAGES}/invitations/{{invitation_id:uuid}}/revoke": [
        Form("invitation", "/members", "/invitations/{id}/revoke"),
    ],
    f"{PAGES}/members/{{user_id:uuid}}/role": [
        Form("member", "/members/{id}", "/members/{id}/role", {"role": "admin"}, "<dt>Role</dt><dd>Viewer</dd>"),
    ],
    f"{PAGES}/members/{{user_id:uuid}}/remove": [
        Form("member", "/members/{id}", "/members/{id}/remove", says="<dt>Role</dt><dd>Viewer</dd>"),
    ],
    f"{PAGES}/members/{{user_id:uuid}}/hand-over": [
        Form("member", "/members/{id}", "/members/{id}/hand-over", says="<dt>Role</dt><dd>Viewer</dd>"),
    ],
}
"""Where pages post to with a version, and the forms that do."""

ALL = [pytest.param(each, id=f"{each.action} on {each.page}") for forms in FORMS.values() for each in forms]


@dataclass(frozen=True)
class Opened:
    """A form that Anna has open in her browser."""

    home: Home
    window: Window
    form: Form
    api: str
    """Where the API has the thing."""
    action: str
    fields: dict[str, str]
    """What the form would send as it came."""

    async def change(self) -> None:
        """What somebody else does to the thing in the meantime, if it can be changed at all."""
        for _ in range(self.form.is_in_trash):
            await self.home.asked("POST", f"{self.api}/restore")
        for body in THINGS[self.form.thing].changes[:1]:
            assert (await self.home.asked("PATCH", self.api, body)).status_code == 200
        if self.form.is_in_trash:
            await self.home.asked("DELETE", self.api)

    async def send(self, fields: dict[str, str]) -> httpx.Response:
        """What Anna's browser is answered."""
        return await self.window.post(self.action, **fields)


@pytest.fixture
async def home(client: httpx.AsyncClient, people: People, anna: Person) -> Home:
    ben = await people.sign_up(display_name="Ben")
    await people.join(ben, anna.workspace, "member")
    return Home(client, anna, ben)


@pytest.fixture
async def opened(app: FastAPI, home: Home, request: pytest.FixtureRequest) -> Opened:
    form: Form = request.param
    window = await open_window(app, home.client, home.anna)
    thing = THINGS[form.thing]
    api, version = await home.made(thing)
    if form.is_in_trash:
        await home.asked("DELETE", api)
        version = '"2"'
    ids = {"id": api.rpartition("/")[2]}
    page, action = (window.home + each.format_map(ids) for each in (form.page, form.action))
    fields = form_on(await window.get(page), action)
    assert f'"{fields["version"]}"' == version, "a page and the API name the same version"
    return Opened(home, window, form, api, action, fields)


def test_every_form_of_a_page_has_a_version_or_a_reason_to_have_none() -> None:
    app = create_app(Settings(database_url="postgresql://127.0.0.1/none"))  # type: ignore[arg-type]  # pydantic makes the secret
    found = {
        route.path
        for route in flat(app.routes)
        if "POST" in (route.methods or ()) and not route.path.startswith("/api/")
    }
    assert found == {*FORMS, *WITHOUT}
    assert not FORMS.keys() & WITHOUT.keys()


@pytest.mark.anyio
@pytest.mark.parametrize("opened", ALL, indirect=True)
async def test_a_form_with_an_old_version_does_nothing_and_the_answer_leads_on(opened: Opened) -> None:
    home, sent = opened.home, opened.fields | opened.form.typed
    await opened.change()
    before = await home.state(opened.api)
    olds = [STALE.strip('"'), "9" * 5000]
    if THINGS[opened.form.thing].changes:
        olds.append(opened.fields["version"])
    answers = [await opened.send(sent | {"version": old}) for old in olds]
    for late in answers:
        assert late.status_code == 412
        assert "was changed while you had the page open." in late.text
        assert opened.form.says in late.text
    assert await home.state(opened.api) == before
    again = form_on(answers[-1], opened.action)
    assert again["version"] not in olds
    assert {name: again[name] for name in opened.form.typed} == opened.form.typed
    assert (await opened.send(again)).status_code == 303
    assert await home.state(opened.api) != before


@pytest.mark.anyio
@pytest.mark.parametrize("opened", ALL, indirect=True)
async def test_a_form_without_a_version_is_done_whatever_is_there(opened: Opened) -> None:
    await opened.change()
    before = await opened.home.state(opened.api)
    del opened.fields["version"]
    assert (await opened.send(opened.fields | opened.form.typed)).status_code == 303
    assert await opened.home.state(opened.api) != before


@pytest.mark.anyio
@pytest.mark.parametrize("opened", ALL, indirect=True)
async def test_of_two_who_send_the_same_form_at_once_one_is_told(opened: Opened) -> None:
    sent = opened.fields | opened.form.typed
    answers = await asyncio.gather(*(opened.send(sent) for _ in range(2)))
    is_end = not opened.form.typed and not opened.action.endswith("/hand-over")
    late = {404} if is_end else {403, 412}  # what is gone has no page any more; who has handed over may not again
    first, second = sorted(each.status_code for each in answers)
    assert (first, second in late) == (303, True), second


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("opened", "wrong"),
    [
        (FORMS[f"{PAGES}/settings"][0], {"kind": "castle"}),
        (FORMS[f"{PAGES}/expenses/{{expense_id:uuid}}"][0], {"amount": "much"}),
    ],
    indirect=["opened"],
    ids=["settings", "expense"],
)
async def test_who_corrects_a_mistake_has_still_seen_the_old_version(opened: Opened, wrong: dict[str, str]) -> None:
    await opened.change()
    refused = await opened.send(opened.fields | opened.form.typed | wrong)
    assert refused.status_code == 422
    again = form_on(refused, opened.action)
    assert again["version"] == opened.fields["version"]
    assert (await opened.send(again | {name: opened.fields[name] for name in wrong})).status_code == 412
