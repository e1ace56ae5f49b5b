"""Registering on the page, and the choice between several workspaces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.browsing import open_window
from tests.people import PASSWORD

from expenses.config import Settings

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


async def register(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get("/register")).text)
    assert token
    return await client.post("/register", data={"csrf_token": token[1]} | fields)


async def test_registering_signs_in_and_leads_to_the_new_workspace(client: httpx.AsyncClient) -> None:
    answer = await register(client, email="maya@example.org", password=PASSWORD, display_name="")
    assert answer.status_code == 303
    month = await client.get(answer.headers["location"], follow_redirects=True)
    assert "A clean page." in month.text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "nobody", "password": PASSWORD}, "email"),
        ({"email": "maya@example.org", "password": "short"}, "password"),
        ({"email": "maya@example.org", "password": PASSWORD, "display_name": "x" * 101}, "display_name"),
    ],
)
async def test_what_is_wrong_with_a_registration_stands_beside_its_field(
    client: httpx.AsyncClient, fields: dict[str, str], field: str
) -> None:
    answer = await register(client, **fields)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert f'aria-describedby="{field}-error' in answer.text
    assert f'value="{fields["email"]}"' in answer.text
    assert fields["password"] not in answer.text


async def test_an_address_that_has_an_account_is_said_beside_its_field(client: httpx.AsyncClient, anna: Person) -> None:
    answer = await register(client, email=anna.user.email, password=PASSWORD)
    assert answer.status_code == 409
    assert 'id="email-error"' in answer.text


async def test_somebody_with_several_workspaces_chooses(
    client: httpx.AsyncClient, people: People, anna: Person
) -> None:
    other = await people.sign_up()
    await people.join(anna, other.workspace, "viewer")
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get("/sign-in")).text)
    assert token
    data = {"csrf_token": token[1], "email": anna.user.email, "password": PASSWORD}
    await client.post("/sign-in", data=data)
    page = await client.get("/")
    assert page.status_code == 200
    assert f'href="/w/{anna.workspace.id}/"' in page.text
    assert f'href="/w/{other.workspace.id}/"' in page.text


async def test_a_new_workspace_can_be_made_on_a_page(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> None:
    window = await open_window(app, client, anna)
    form = {"name": "Shop", "kind": "company", "base_currency": "JPY", "time_zone": "Asia/Tokyo"}
    wrong = await window.post("/workspaces/new", **form | {"time_zone": "Atlantis"})
    assert wrong.status_code == 422
    assert 'id="time_zone-error"' in wrong.text
    assert 'value="Shop"' in wrong.text
    made = await window.post("/workspaces/new", **form)
    assert made.status_code == 303
    listed = (await window.get("/workspaces")).text
    assert f'href="{made.headers["location"]}"' in listed
    assert f'href="{window.home}/"' in listed


async def test_who_belongs_to_no_workspace_is_shown_the_way_to_one(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    window = await open_window(app, client, anna)
    await session.execute(text("DELETE FROM membership"))
    page = await window.get("/")
    assert page.status_code == 200
    assert 'href="/workspaces/new"' in page.text


class TestClosed:
    @pytest.fixture
    def settings(self, database: str) -> Settings:
        return Settings(database_url=database, registration="closed")  # type: ignore[arg-type]  # pydantic makes the secret

    async def test_the_page_says_how_accounts_are_made(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/register")).text
        assert "expenses create-user" in page
        assert "<form" not in page

    async def test_nobody_registers_by_sending_the_form_anyway(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/register", headers={"Accept": "text/html"})
        assert answer.status_code == 403
