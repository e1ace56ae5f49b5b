"""Roles, leaving, removing, handing over: what members may do to each other, also at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from sqlalchemy import text
from tests.ledger.recording import COFFEE, record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

    from expenses.db import Session
    from expenses.workspaces.model import Role

pytestmark = pytest.mark.anyio


async def joined(people: People, anna: Person, role: Role, name: str = "Ben") -> Person:
    """Somebody new in Anna's workspace."""
    person = await people.sign_up(display_name=name)
    await people.join(person, anna.workspace, role)
    return person


async def roles(session: Session, anna: Person) -> dict[str, str]:
    rows = await session.execute(
        text("SELECT user_id, role FROM membership WHERE workspace_id = :id"), {"id": anna.workspace.id}
    )
    return {str(row.user_id): row.role for row in rows}


async def events(client: httpx.AsyncClient, anna: Person) -> list[tuple[str, str, str]]:
    answer = await client.get(f"{anna.url}/audit", headers=anna.headers)
    return [(item["entity"], item["action"], item["actor_id"]) for item in answer.json()["items"]]


def url(anna: Person, of: Person, more: str = "") -> str:
    return f"{anna.url}/members/{of.user.id}{more}"


async def test_a_role_counts_from_the_next_request_on(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ben = await joined(people, anna, "viewer")
    expenses = f"{anna.url}/expenses"
    assert (await client.post(expenses, json=COFFEE, headers=ben.headers)).status_code == 403
    changed = await client.patch(url(anna, ben), json={"role": "member"}, headers=anna.headers)
    assert (changed.status_code, changed.json()["role"], changed.json()["display_name"]) == (200, "member", "Ben")
    assert (await client.post(expenses, json=COFFEE, headers=ben.headers)).status_code == 201
    assert (await client.get(url(anna, ben), headers=ben.headers)).json() == changed.json()


async def test_a_removed_member_is_a_stranger_at_once_and_keeps_the_name_on_what_they_paid(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await joined(people, anna, "member")
    paid = await record(client, anna, payer_id=str(ben.user.id))
    assert (await client.delete(url(anna, ben), headers=anna.headers)).status_code == 204
    assert (await client.get(f"{anna.url}/expenses", headers=ben.headers)).status_code == 404
    still = await client.get(f"{anna.url}/expenses/{paid['id']}", headers=anna.headers)
    assert still.json()["payer_id"] == str(ben.user.id)
    gone = (await client.get(f"{anna.url}/former-members", headers=anna.headers)).json()["items"]
    assert [(each["user_id"], each["display_name"]) for each in gone] == [(str(ben.user.id), "Ben")]
    assert (await client.delete(url(anna, ben), headers=anna.headers)).status_code == 404
    await people.join(ben, anna.workspace, "member")
    assert (await client.get(f"{anna.url}/former-members", headers=anna.headers)).json()["items"] == []


async def test_admins_touch_only_those_below_them(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ada = await joined(people, anna, "admin")
    other = await joined(people, anna, "admin")
    ben = await joined(people, anna, "member")
    for who in (anna, other):
        assert (await client.delete(url(anna, who), headers=ada.headers)).status_code == 403
        answer = await client.patch(url(anna, who), json={"role": "viewer"}, headers=ada.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await client.patch(url(anna, ben), json={"role": "owner"}, headers=ada.headers)).status_code == 403
    assert (await client.patch(url(anna, ada), json={"role": "owner"}, headers=ada.headers)).status_code == 403
    assert (await client.patch(url(anna, ben), json={"role": "admin"}, headers=ada.headers)).status_code == 200
    assert (await client.patch(url(anna, ada), json={"role": "viewer"}, headers=ada.headers)).status_code == 200


async def test_the_last_owner_can_neither_leave_nor_be_removed_nor_be_demoted(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    ben = await joined(people, anna, "admin")
    for answer in (
        await client.post(f"{anna.url}/leave", headers=anna.headers),
        await client.delete(url(anna, anna), headers=anna.headers),
        await client.patch(url(anna, anna), json={"role": "admin"}, headers=anna.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert await roles(session, anna) == {str(anna.user.id): "owner", str(ben.user.id): "admin"}


async def test_of_two_owners_who_leave_at_once_one_stays(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    for _ in range(5):
        ben = await joined(people, anna, "owner")
        answers: dict[str, int] = {}

        async def leave(who: Person, name: str, answers: dict[str, int] = answers) -> None:
            answers[name] = (await client.post(f"{anna.url}/leave", headers=who.headers)).status_code

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave, anna, "anna")
            tasks.start_soon(leave, ben, "ben")
        assert sorted(answers.values()) == [204, 409]
        assert list((await roles(session, anna)).values()) == ["owner"]
        if answers["anna"] == 204:
            await people.join(anna, anna.workspace, "owner")
            assert (await client.post(f"{anna.url}/leave", headers=ben.headers)).status_code == 204


async def test_two_owners_who_demote_each_other_do_not_leave_a_workspace_without_one(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    ben = await joined(people, anna, "owner")
    statuses = []

    async def demote(by: Person, whom: Person) -> None:
        answer = await client.patch(url(anna, whom), json={"role": "member"}, headers=by.headers)
        statuses.append(answer.status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(demote, anna, ben)
        tasks.start_soon(demote, ben, anna)
    assert sorted(statuses) == [200, 403]
    assert sorted((await roles(session, anna)).values()) == ["member", "owner"]


async def test_handing_over_makes_a_member_the_owner_and_the_owner_an_admin(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session
) -> None:
    ben, ada = await joined(people, anna, "viewer"), await joined(people, anna, "admin")
    stranger = await people.sign_up()
    for who, status in ((anna, 422), (stranger, 404)):
        answer = await client.post(url(anna, who, "/hand-over"), headers=anna.headers)
        assert answer.status_code == status, who.user.display_name
    assert (await client.post(url(anna, ben, "/hand-over"), headers=ada.headers)).status_code == 403
    answer = await client.post(url(anna, ben, "/hand-over"), headers=anna.headers)
    assert (answer.status_code, answer.json()["role"]) == (200, "owner")
    found = await roles(session, anna)
    assert (found[str(anna.user.id)], found[str(ben.user.id)]) == ("admin", "owner")
    assert (await client.post(f"{anna.url}/leave", headers=anna.headers)).status_code == 204


async def test_every_change_of_members_is_on_record(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ben, cleo, dan = [await joined(people, anna, "member", name) for name in ("Ben", "Cleo", "Dan")]
    await client.patch(url(anna, ben), json={"role": "admin"}, headers=anna.headers)
    await client.patch(url(anna, ben), json={"role": "admin"}, headers=anna.headers)  # says nothing new
    await client.delete(url(anna, cleo), headers=ben.headers)
    await client.post(f"{anna.url}/leave", headers=dan.headers)
    await client.post(url(anna, ben, "/hand-over"), headers=anna.headers)
    me, bens, dans = str(anna.user.id), str(ben.user.id), str(dan.user.id)
    assert sorted(await events(client, anna)) == sorted(
        [
            ("member", "change", me),
            ("member", "remove", bens),
            ("member", "leave", dans),
            ("member", "hand_over", me),
            ("member", "hand_over", me),
        ]
    )
    listed = await client.get(f"{anna.url}/audit", params={"entity_id": str(cleo.user.id)}, headers=anna.headers)
    (event,) = listed.json()["items"]
    assert (event["before"], event["after"]) == ({"user_id": str(cleo.user.id), "role": "member"}, None)


@pytest.mark.parametrize("body", [{}, {"role": "king"}, {"role": None}, {"role": "member", "x": 1}, [], "member"])
async def test_a_bad_role_is_malformed(client: httpx.AsyncClient, anna: Person, people: People, body: Any) -> None:  # noqa: ANN401 - whatever a client sends
    ben = await joined(people, anna, "viewer")
    answer = await client.patch(url(anna, ben), json=body, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")
