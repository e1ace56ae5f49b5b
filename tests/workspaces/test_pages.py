"""Registering on the page, and the choice between several workspaces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.people import PASSWORD

from expenses.config import Settings

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

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
