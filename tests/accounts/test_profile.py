"""Another password, name or address, and what that does to sessions and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from sqlalchemy import text
from tests.accounts.factor import set_up
from tests.people import PASSWORD

from expenses.accounts import service, throttle
from expenses.accounts.factors import SecondFactorRequired, SignInExpired

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, People, Person

    from expenses.accounts.model import NewSession
    from expenses.db import Session

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_passwords")]

FRESH = "another battery, just as long"


async def sign_in(session: Session, person: Person, clock: Clock) -> NewSession:
    return await service.sign_in(
        session, email=person.user.email, password=PASSWORD, client_address="192.0.2.1", now=clock()
    )


def by_cookie(new: NewSession) -> dict[str, str]:
    return {"Cookie": f"__Host-expenses_session={new.token}", "X-CSRF-Token": new.csrf_token}


async def change_password(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    **more: Any,  # noqa: ANN401 - what JSON may say
) -> httpx.Response:
    body = {"old_password": PASSWORD, "new_password": FRESH} | more
    return await client.post("/api/v1/me/password", json=body, headers=headers)


async def statuses(client: httpx.AsyncClient, *headers: dict[str, str]) -> list[int]:
    return [(await client.get("/api/v1/me", headers=each)).status_code for each in headers]


@pytest.mark.parametrize("keep", [False, True])
async def test_a_new_password_ends_other_sessions_and_tokens_too_unless_they_are_kept(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock, *, keep: bool
) -> None:
    here, other = by_cookie(await sign_in(session, anna, clock)), by_cookie(await sign_in(session, anna, clock))
    assert (await change_password(client, here, keep_tokens=keep)).status_code == 204
    assert await statuses(client, here, other, anna.headers) == [200, 401, 200 if keep else 401]
    for password, status in [(PASSWORD, 401), (FRESH, 200)]:
        form = {"username": anna.user.email, "password": password}
        assert (await client.post("/api/v1/auth/token", data=form)).status_code == status
    kinds = (await session.execute(text("SELECT kind FROM account_event"))).scalars().all()
    assert "password_changed" in kinds


async def test_a_token_that_changes_the_password_stays(client: httpx.AsyncClient, anna: Person) -> None:
    made = await client.post("/api/v1/me/tokens", json={"name": "Child"}, headers=anna.headers)
    child = {"Authorization": f"Bearer {made.json()['access_token']}"}
    assert (await change_password(client, anna.headers)).status_code == 204
    assert await statuses(client, anna.headers, child) == [200, 401]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"old_password": "not the right one"}, 403, "old_password"),
        ({"old_password": "x" * 10_000}, 403, "old_password"),
        ({"new_password": "short"}, 422, "new_password"),
        ({"new_password": "x" * 1025}, 422, "new_password"),
        ({"new_password": None}, 422, "new_password"),
    ],
)
async def test_a_wrong_old_or_a_bad_new_password_changes_nothing(
    client: httpx.AsyncClient, anna: Person, change: dict[str, Any], status: int, field: str
) -> None:
    refused = await change_password(client, anna.headers, **change)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (status, field)
    assert str(next(iter(change.values()))) not in refused.text.replace("None", "")
    form = {"username": anna.user.email, "password": PASSWORD}
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 200


async def test_of_two_changes_at_the_same_moment_one_counts(client: httpx.AsyncClient, anna: Person) -> None:
    found: list[int] = []

    async def change(new: str) -> None:
        found.append((await change_password(client, anna.headers, new_password=new)).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(change, FRESH)
        tasks.start_soon(change, FRESH + "!")
    assert sorted(found) == [204, 403]


async def test_the_password_cannot_be_guessed_by_who_is_signed_in(client: httpx.AsyncClient, anna: Person) -> None:
    for _ in range(throttle.ACCOUNT.burst):
        assert (await change_password(client, anna.headers, old_password="x" * 2000)).status_code == 403
    refused = await change_password(client, anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")


async def test_half_a_sign_in_with_the_old_password_is_of_no_use(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    phone = await set_up(client, anna, clock)
    with pytest.raises(SecondFactorRequired) as caught:
        await sign_in(session, anna, clock)
    assert (await change_password(client, anna.headers)).status_code == 204
    with pytest.raises(SignInExpired):
        await service.finish_sign_in(
            session, step_token=caught.value.step_token or "", code=phone.next_code(), now=clock()
        )


async def patch(client: httpx.AsyncClient, person: Person, **change: str) -> httpx.Response:
    return await client.patch("/api/v1/me", json=change, headers=person.headers)


async def test_a_name_changes_by_itself_and_an_address_with_the_password(
    client: httpx.AsyncClient, anna: Person
) -> None:
    renamed = await patch(client, anna, display_name=" Anna Bell ")
    assert (renamed.status_code, renamed.json()["display_name"]) == (200, "Anna Bell")
    for change in ({"email": "new@example.org"}, {"email": "new@example.org", "password": "not the right one"}):
        refused = await patch(client, anna, **change)
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    moved = await patch(client, anna, email="New@Example.org", password=PASSWORD)
    assert moved.json() == {"id": str(anna.user.id), "email": "new@example.org", "display_name": "Anna Bell"}
    for email, status in [("new@example.org", 200), ("anna@example.org", 401)]:
        form = {"username": email, "password": PASSWORD}
        assert (await client.post("/api/v1/auth/token", data=form)).status_code == status
    (event,) = [
        event
        for event in (await client.get("/api/v1/me/events", headers=anna.headers)).json()["items"]
        if event["kind"] == "email_changed"
    ]
    assert event["detail"] == "anna@example.org"


async def test_a_taken_address_stays_with_its_owner_and_few_can_be_tried(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up("ben@example.org")
    taken = await patch(client, anna, email="BEN@example.org", password=PASSWORD, display_name="B")
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
    assert (await client.get("/api/v1/me", headers=anna.headers)).json()["display_name"] == "Anna"
    assert await statuses(client, ben.headers) == [200]
    for email in ("nobody", "", "a" * 300 + "@example.org"):
        assert (await patch(client, anna, email=email, password=PASSWORD)).status_code == 422
    seen = {(await patch(client, anna, email=f"x{number}@example.org")).status_code for number in range(11)}
    assert seen == {403, 429}
