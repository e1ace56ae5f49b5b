"""The browsers in which somebody is signed in, and the record of what happened to an account."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from tests.people import PASSWORD

from expenses.accounts import event_queries, service
from expenses.accounts.devices import UNKNOWN, device_of
from expenses.db import transaction

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, People, Person

    from expenses.accounts.model import NewSession
    from expenses.db import Session

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_passwords")]

SESSIONS = "/api/v1/me/sessions"

FIREFOX = "Mozilla/5.0 (Android 16; Mobile; rv:146.0) Gecko/146.0 Firefox/146.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Version/19.1 Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/146.0 Safari/537.36 Edg/146.0"


async def sign_in(session: Session, person: Person, clock: Clock, device: str = UNKNOWN) -> NewSession:
    return await service.sign_in(
        session, email=person.user.email, password=PASSWORD, client_address="192.0.2.1", device=device, now=clock()
    )


def by_cookie(new: NewSession) -> dict[str, str]:
    return {"Cookie": f"__Host-expenses_session={new.token}", "X-CSRF-Token": new.csrf_token}


async def items(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.parametrize(
    ("header", "device"),
    [
        (FIREFOX, "Firefox on Android"),
        (SAFARI, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("curl/8.14.1", "curl"),
        ("<script>alert(1)</script>", UNKNOWN),
        ("x" * 100_000 + "Firefox/1", UNKNOWN),
        ("", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_device_is_a_family_and_never_text_of_the_header(header: str | None, device: str) -> None:
    assert device_of(header) == device


async def test_sessions_say_which_browser_when_and_which_one_is_this(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    phone = await sign_in(session, anna, clock, "Firefox on Android")
    clock.turn(timedelta(hours=1))
    laptop = await sign_in(session, anna, clock, "Edge on Windows")
    first, second = await items(client, SESSIONS, by_cookie(laptop))
    assert (first["device"], first["is_current"]) == ("Edge on Windows", True)
    assert (second["device"], second["is_current"]) == ("Firefox on Android", False)
    assert second["created_at"] == second["last_seen_at"] == "2026-11-22T12:00:00Z"
    await items(client, SESSIONS, by_cookie(phone))
    assert (await items(client, SESSIONS, by_cookie(laptop)))[1]["last_seen_at"] == "2026-11-22T13:00:00Z"
    clock.turn(timedelta(minutes=9))
    seen = (await items(client, SESSIONS, by_cookie(laptop)))[0]["last_seen_at"]
    assert seen == "2026-11-22T13:00:00Z"  # noted every ten minutes
    assert not any(each["is_current"] for each in await items(client, SESSIONS, anna.headers))
    for secret in (phone.token, phone.csrf_token):
        assert secret not in str(await items(client, SESSIONS, by_cookie(laptop)))


async def test_one_session_can_be_ended_and_only_by_its_owner(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session, clock: Clock
) -> None:
    mine = await sign_in(session, anna, clock)
    ben = await people.sign_up()
    (listed,) = await items(client, SESSIONS, anna.headers)
    path = f"{SESSIONS}/{listed['id']}"
    assert (await client.delete(path, headers=ben.headers)).status_code == 404
    assert (await client.get("/api/v1/me", headers=by_cookie(mine))).status_code == 200
    assert (await client.delete(path, headers=anna.headers)).status_code == 204
    assert (await client.delete(path, headers=anna.headers)).status_code == 404
    assert (await client.get("/api/v1/me", headers=by_cookie(mine))).status_code == 401


async def test_all_other_sessions_can_be_ended_at_once(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session, clock: Clock
) -> None:
    ben = await people.sign_up()
    bens = await sign_in(session, ben, clock)
    here, *others = [await sign_in(session, anna, clock) for _ in range(3)]
    assert (await client.delete(SESSIONS, headers=by_cookie(here))).status_code == 204
    for new, status in [(here, 200), (others[0], 401), (others[1], 401), (bens, 200)]:
        assert (await client.get("/api/v1/me", headers=by_cookie(new))).status_code == status
    assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 200


async def test_a_session_from_before_devices_were_noted_is_listed_too(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    await sign_in(session, anna, clock)
    await session.execute(text("UPDATE web_session SET device = NULL, last_seen_at = NULL"))
    (listed,) = await items(client, SESSIONS, anna.headers)
    assert (listed["device"], listed["last_seen_at"]) == (UNKNOWN, listed["created_at"])


async def test_what_happened_is_on_record_for_its_owner_only(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session, clock: Clock
) -> None:
    ben = await people.sign_up()
    here = await sign_in(session, anna, clock, "Firefox on Android")
    clock.turn(timedelta(seconds=1))
    answer = await client.post("/api/v1/me/tokens", json={"name": "Backup"}, headers=by_cookie(here))
    clock.turn(timedelta(seconds=1))
    assert (await client.delete(f"/api/v1/me/tokens/{answer.json()['id']}", headers=anna.headers)).status_code == 204
    events = await items(client, "/api/v1/me/events", anna.headers)
    assert [(event["kind"], event["detail"]) for event in events] == [
        ("token_revoked", "Backup"),
        ("token_made", "Backup"),
        ("signed_in", "Firefox on Android"),
    ]
    assert await items(client, "/api/v1/me/events", ben.headers) == []


async def test_the_record_is_read_page_by_page_and_keeps_the_newest(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queries, "KEPT", 3)
    async with transaction(session):
        for number in range(5):
            clock.turn(timedelta(seconds=1))
            await event_queries.insert_event(
                session, user_id=anna.user.id, kind="token_made", detail=str(number), now=clock()
            )
        await event_queries.forget_old_events(session, user_id=anna.user.id)
    first = (await client.get("/api/v1/me/events?limit=2", headers=anna.headers)).json()
    assert [event["detail"] for event in first["items"]] == ["4", "3"]
    params = {"cursor": first["next"]}
    second = (await client.get("/api/v1/me/events", params=params, headers=anna.headers)).json()
    assert ([event["detail"] for event in second["items"]], second["next"]) == (["2"], None)
    refused = await client.get(SESSIONS, params=params, headers=anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")
