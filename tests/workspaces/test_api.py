from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from tests.people import PASSWORD, People, Person

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio


async def register(client: httpx.AsyncClient, **changes: object) -> httpx.Response:
    draft: dict[str, object] = {"email": "new@example.org", "password": PASSWORD, "display_name": "New"}
    return await client.post("/api/v1/auth/register", json=draft | changes)


async def test_registration_makes_an_account_and_a_workspace_that_it_owns(client: httpx.AsyncClient) -> None:
    answer = await register(client, email="  New@Example.ORG ")
    assert answer.status_code == 201, answer.text
    assert answer.json()["user"]["email"] == "new@example.org"
    assert answer.json()["workspace"]["role"] == "owner"
    form = {"username": "NEW@example.org", "password": PASSWORD}
    signed_in = await client.post("/api/v1/auth/token", data=form)
    assert signed_in.status_code == 200, signed_in.text
    assert signed_in.json()["access_token"].startswith("exp_")
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    me = (await client.get("/api/v1/me", headers=headers)).json()
    assert me["id"] == answer.json()["user"]["id"]
    assert me["workspaces"] == [answer.json()["workspace"]]


async def test_of_two_registrations_of_one_address_at_once_one_succeeds(client: httpx.AsyncClient) -> None:
    statuses: list[int] = []

    async def try_it(email: str) -> None:
        statuses.append((await register(client, email=email)).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(try_it, "twin@example.org")
        tasks.start_soon(try_it, "Twin@Example.org")
    assert sorted(statuses) == [201, 409]


async def test_strangers_cannot_tell_whether_a_workspace_exists(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    answer = await client.get(f"{anna.url}/members", headers=ben.headers)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
