"""Invitations by link: once, for some days, for one role, and for nobody who merely guesses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from sqlalchemy import text
from tests.people import PASSWORD, Clock, People

from expenses.app import create_app
from expenses.config import Settings
from expenses.workspaces import invitation_service

if TYPE_CHECKING:
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


async def invited(client: httpx.AsyncClient, anna: Person, **draft: object) -> dict[str, Any]:
    answer = await client.post(f"{anna.url}/invitations", json=draft, headers=anna.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def accept(client: httpx.AsyncClient, who: Person, token: str) -> httpx.Response:
    return await client.post("/api/v1/invitations/accept", json={"token": token}, headers=who.headers)


async def preview(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/v1/invitations/preview", params={"token": token})


async def register(client: httpx.AsyncClient, token: str | None, email: str = "new@example.org") -> httpx.Response:
    draft = {"email": email, "password": PASSWORD, "display_name": "New", "invitation": token}
    return await client.post("/api/v1/auth/register", json=draft)


async def test_a_link_lets_one_person_in_with_its_role(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ben = await people.sign_up(display_name="Ben")
    made = await invited(client, anna, role="viewer", note=" Grandma ")
    assert made["note"] == "Grandma"
    assert made["link"] == f"https://testserver/join?token={made['token']}"
    answer = await accept(client, ben, made["token"])
    assert (answer.status_code, answer.json()["role"], answer.json()["id"]) == (200, "viewer", str(anna.workspace.id))
    members = (await client.get(f"{anna.url}/members", headers=ben.headers)).json()["items"]
    assert {member["display_name"]: member["role"] for member in members} == {"Anna": "owner", "Ben": "viewer"}
    cleo = await people.sign_up()
    again = await accept(client, cleo, made["token"])
    assert (again.status_code, again.json()["code"]) == (404, "invalid_invitation")


async def test_of_many_who_use_one_link_at_once_one_gets_in(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    crowd = [await people.sign_up() for _ in range(5)]
    token = (await invited(client, anna))["token"]
    statuses: list[int] = []

    async def try_it(who: Person) -> None:
        statuses.append((await accept(client, who, token)).status_code)

    async with anyio.create_task_group() as tasks:
        for who in crowd:
            tasks.start_soon(try_it, who)
    assert sorted(statuses) == [200, 404, 404, 404, 404]
    assert len((await client.get(f"{anna.url}/members", headers=anna.headers)).json()["items"]) == 2


async def test_a_preview_tells_the_name_the_role_who_and_until_when_and_nothing_more(
    client: httpx.AsyncClient, anna: Person
) -> None:
    made = await invited(client, anna, role="admin")
    seen = await preview(client, made["token"])
    assert seen.json() == {
        "workspace_name": "Home",
        "role": "admin",
        "invited_by": "Anna",
        "expires_at": made["expires_at"],
    }
    assert seen.headers["Cache-Control"] == "no-store"


async def test_an_invitation_that_is_over_looks_like_one_that_never_was(
    client: httpx.AsyncClient, anna: Person, people: People, clock: Clock
) -> None:
    ben = await people.sign_up()
    used, revoked, expired = [(await invited(client, anna, expires_in_days=days)) for days in (30, 30, 2)]
    await accept(client, await people.sign_up(), used["token"])
    gone = await client.delete(f"{anna.url}/invitations/{revoked['id']}", headers=anna.headers)
    assert gone.status_code == 204
    clock.turn(timedelta(days=2))
    never = invitation_service._new_token(anna.workspace.id)
    tokens = [used["token"], revoked["token"], expired["token"], never, "", "x" * 72, "exp_inv_" + "ä" * 64, "a\x00"]
    answers = [await way for token in tokens for way in (preview(client, token), accept(client, ben, token))]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["code"] for answer in answers} == {"invalid_invitation"}
    assert (await client.get(f"{anna.url}/invitations", headers=anna.headers)).json()["items"] == []
    assert (await client.get(anna.url, headers=ben.headers)).status_code == 404


async def test_an_invitation_lasts_seven_days_unless_it_says_otherwise(
    client: httpx.AsyncClient, anna: Person, people: People, clock: Clock
) -> None:
    ben, token = await people.sign_up(), (await invited(client, anna))["token"]
    clock.turn(timedelta(days=7) - timedelta(seconds=1))
    assert (await preview(client, token)).status_code == 200
    clock.turn(timedelta(seconds=1))
    assert (await accept(client, ben, token)).status_code == 404


async def test_nobody_invites_to_a_role_above_their_own_and_nobody_an_owner(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ada = await people.sign_up()
    await people.join(ada, anna.workspace, "admin")
    for who, role, status in ((ada, "admin", 201), (ada, "owner", 422), (anna, "owner", 422), (anna, "king", 422)):
        answer = await client.post(f"{anna.url}/invitations", json={"role": role}, headers=who.headers)
        assert answer.status_code == status, (role, answer.text)


async def test_an_invitation_ends_with_the_right_of_who_made_it(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ada = await people.sign_up()
    await people.join(ada, anna.workspace, "admin")
    made = await client.post(f"{anna.url}/invitations", json={"role": "admin"}, headers=ada.headers)
    token = made.json()["token"]
    member = f"{anna.url}/members/{ada.user.id}"
    await client.patch(member, json={"role": "member"}, headers=anna.headers)
    assert (await accept(client, await people.sign_up(), token)).status_code == 404
    await client.patch(member, json={"role": "admin"}, headers=anna.headers)
    assert (await preview(client, token)).status_code == 200
    await client.delete(member, headers=anna.headers)
    assert (await accept(client, ada, token)).status_code == 404, "who was sent away has no way back of their own"


async def test_a_member_who_opens_a_link_does_not_use_it_up(client: httpx.AsyncClient, anna: Person) -> None:
    token = (await invited(client, anna))["token"]
    answer = await accept(client, anna, token)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_member")
    assert (await preview(client, token)).status_code == 200


async def test_the_token_is_stored_as_a_hash_and_shown_once(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    made = await invited(client, anna, note="Ben")
    await accept(client, await people.sign_up(), (await invited(client, anna))["token"])
    secret = made["token"].removeprefix("exp_inv_")
    for table in ("invitation", "audit_event"):
        stored = str((await session.execute(text(f"SELECT * FROM {table}"))).all())
        assert secret not in stored
    listed = await client.get(f"{anna.url}/invitations", headers=anna.headers)
    assert [item["note"] for item in listed.json()["items"]] == ["Ben"]
    assert secret not in listed.text
    changes = (await client.get(f"{anna.url}/audit", headers=anna.headers)).json()["items"]
    assert sorted((item["entity"], item["action"]) for item in changes) == [
        ("invitation", "accept"),
        ("invitation", "invite"),
        ("invitation", "invite"),
        ("member", "join"),
    ]


async def test_a_stranger_with_a_link_registers_and_lands_in_the_workspace(
    client: httpx.AsyncClient, anna: Person
) -> None:
    token = (await invited(client, anna))["token"]
    answer = await register(client, token)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["workspace"]["id"], answer.json()["workspace"]["role"]) == (str(anna.workspace.id), "member")
    form = {"username": "new@example.org", "password": PASSWORD}
    key = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
    me = (await client.get("/api/v1/me", headers={"Authorization": f"Bearer {key}"})).json()
    assert [workspace["id"] for workspace in me["workspaces"]] == [str(anna.workspace.id)]
    assert (await register(client, token, "next@example.org")).json()["code"] == "invalid_invitation"


async def test_where_registration_is_closed_an_invitation_still_opens_it(database: str) -> None:
    app = create_app(Settings(database_url=database))  # type: ignore[arg-type]  # pydantic makes the secret
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://testserver") as client,
    ):
        anna = await People(app).sign_up("anna@example.org")
        token = (await invited(client, anna))["token"]
        assert (await register(client, None)).json()["code"] == "registration_closed"
        wrong = [await register(client, "exp_inv_x", email) for email in ("anna@example.org", "new@example.org")]
        assert [answer.json()["code"] for answer in wrong] == ["invalid_invitation"] * 2
        assert (await register(client, token)).status_code == 201


BAD: list[tuple[dict[str, object], str]] = [
    ({"note": "x" * 101}, "note"),
    ({"note": "a\x00b"}, "note"),
    ({"note": "two\nlines"}, "note"),
    ({"note": 7}, "note"),
    ({"expires_in_days": 0}, "expires_in_days"),
    ({"expires_in_days": 31}, "expires_in_days"),
    ({"expires_in_days": 10**30}, "expires_in_days"),
    ({"role": ""}, "role"),
    ({"rôle": "member"}, "rôle"),
]


async def test_a_bad_invitation_is_refused_and_names_the_field(client: httpx.AsyncClient, anna: Person) -> None:
    for draft, field in BAD:
        answer = await client.post(f"{anna.url}/invitations", json=draft, headers=anna.headers)
        assert answer.status_code == 422, draft
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_open_invitations_are_bounded(
    client: httpx.AsyncClient, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitation_service, "MOST_OPEN", 2)
    first, _ = await invited(client, anna), await invited(client, anna)
    refused = await client.post(f"{anna.url}/invitations", json={}, headers=anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_invitations")
    await client.delete(f"{anna.url}/invitations/{first['id']}", headers=anna.headers)
    await invited(client, anna)
