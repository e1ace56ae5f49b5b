"""API tokens that people make for themselves: what they may do, how long, and how they end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from tests.browsing import open_window

from expenses.accounts import event_queries, token_service

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Clock, People, Person

    from expenses.db import Session

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_passwords")]

TOKENS = "/api/v1/me/tokens"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def make(client: httpx.AsyncClient, headers: dict[str, str], **draft: Any) -> httpx.Response:  # noqa: ANN401 - what JSON may say
    return await client.post(TOKENS, json={"name": "Backup"} | draft, headers=headers)


async def made(client: httpx.AsyncClient, headers: dict[str, str], **draft: Any) -> dict[str, str]:  # noqa: ANN401 - same
    answer = await make(client, headers, **draft)
    assert answer.status_code == 201, answer.text
    return bearer(answer.json()["access_token"])


async def test_a_new_token_is_shown_once_and_stored_as_a_hash(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    answer = await make(client, anna.headers, scopes=["read"], expires_in_days=7)
    new = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert (new["name"], new["scopes"]) == ("Backup", ["read"])
    assert (new["created_at"], new["expires_at"]) == ("2026-11-22T12:00:00Z", "2026-11-29T12:00:00Z")
    token = new.pop("access_token")
    assert (await client.get("/api/v1/me", headers=bearer(token))).status_code == 200
    listed = (await client.get(TOKENS, headers=anna.headers)).json()["items"]
    assert new | {"last_used_at": "2026-11-22T12:00:00Z"} in listed
    assert token not in str(listed)
    assert token not in repr((await session.execute(text("SELECT * FROM api_token"))).all())


async def test_a_token_lives_for_thirty_days_unless_said_otherwise_and_a_year_at_most(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    window = await open_window(app, client, anna)
    headers = {"X-CSRF-Token": window.csrf_token}
    assert (await make(client, headers)).json()["expires_at"] == "2026-12-22T12:00:00Z"
    year = await make(client, headers, expires_in_days=365)
    assert year.json()["expires_at"] == "2027-11-22T12:00:00Z"
    for days in (0, -1, 366, 10**12):
        refused = await make(client, headers, expires_in_days=days)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "expires_in_days"), days
    client.cookies.clear()
    token = bearer(year.json()["access_token"])
    clock.turn(timedelta(days=365, seconds=-1))
    assert (await client.get("/api/v1/me", headers=token)).status_code == 200
    clock.turn(timedelta(seconds=1))
    assert (await client.get("/api/v1/me", headers=token)).status_code == 401


@pytest.mark.parametrize("scopes", [["read"], ["write"], ["read", "write"]])
async def test_a_token_without_admin_makes_no_tokens(
    client: httpx.AsyncClient, anna: Person, scopes: list[str]
) -> None:
    weak = await made(client, anna.headers, scopes=scopes)
    for wanted in (["read"], ["write"], ["admin"], ["read", "write", "admin"]):
        refused = await make(client, weak, scopes=wanted)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


async def test_a_token_gives_no_more_than_it_has_and_never_the_right_to_give(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    form = {"username": anna.user.email, "password": "correct horse battery staple", "scope": "read admin"}
    half = bearer((await client.post("/api/v1/auth/token", data=form)).json()["access_token"])
    assert (await make(client, half, scopes=["read"])).status_code == 201
    for wanted in (["write"], ["read", "write"], ["admin"], ["read", "admin"]):
        refused = await make(client, half, scopes=wanted)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_exceeded"), wanted
    assert (await make(client, anna.headers, scopes=["admin"])).status_code == 403
    assert (await session.execute(text("SELECT count(*) FROM api_token"))).scalar() == 3


async def test_a_token_made_with_a_token_does_not_outlive_it(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    clock.turn(timedelta(days=20))
    assert (await make(client, anna.headers)).json()["expires_at"] == "2026-12-22T12:00:00Z"
    assert (await make(client, anna.headers, expires_in_days=10)).status_code == 201
    refused = await make(client, anna.headers, expires_in_days=11)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "expires_in_days")


async def test_revoking_a_token_revokes_what_was_made_with_it(client: httpx.AsyncClient, anna: Person) -> None:
    child = await made(client, anna.headers)
    assert (await client.get("/api/v1/me", headers=child)).status_code == 200
    assert (await client.post("/api/v1/auth/logout", headers=anna.headers)).status_code == 204
    for headers in (anna.headers, child):
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401


VALID: dict[str, Any] = {"name": "Backup"}

BAD: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 101},
    {"name": "two\nlines"},
    {"name": "\ud800"},
    {"name": 7},
    {"scopes": []},
    {"scopes": ["root"]},
    {"scopes": ["read"] * 1000},
    {"scopes": "read"},
    {"expires_in_days": "soon"},
    {"expires_in_days": 1.5},
]


async def test_a_token_of_nonsense_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for draft in BAD:
        body = str(VALID | draft).replace("'", '"').encode("utf-8", "surrogatepass")
        answer = await client.post(TOKENS, content=body, headers=anna.headers | {"Content-Type": "application/json"})
        assert answer.status_code == 422, draft


async def test_tokens_are_listed_page_by_page_and_only_to_their_owner(
    client: httpx.AsyncClient, anna: Person, people: People, clock: Clock
) -> None:
    for number in range(4):
        clock.turn(timedelta(seconds=1))
        await made(client, anna.headers, name=f"Token {number}")
    seen, cursor = [], ""
    while True:
        page = (await client.get(TOKENS, params={"limit": 2, "cursor": cursor}, headers=anna.headers)).json()
        seen += [token["name"] for token in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == ["Token 3", "Token 2", "Token 1", "Token 0", "test"]
    ben = await people.sign_up()
    for headers, other in ((ben.headers, cursor), (anna.headers, "x"), (anna.headers, cursor + "A")):
        answer = await client.get(TOKENS, params={"cursor": other}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    assert len((await client.get(TOKENS, headers=ben.headers)).json()["items"]) == 1


async def test_nobody_has_more_tokens_than_fit_in_a_list(
    client: httpx.AsyncClient, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_service, "TOKENS_MAX", 2)
    assert (await make(client, anna.headers)).status_code == 201
    refused = await make(client, anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_tokens")


async def test_making_and_revoking_for_ever_fills_no_table(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queries, "KEPT", 3)
    for _ in range(4):
        clock.turn(timedelta(seconds=1))
        answer = await make(client, anna.headers)
        assert (await client.delete(f"{TOKENS}/{answer.json()['id']}", headers=anna.headers)).status_code == 204
    counted = "SELECT (SELECT count(*) FROM api_token), (SELECT count(*) FROM account_event)"
    assert (await session.execute(text(counted))).one() == (
        2,
        5,
    )  # anna's own and the last one; three kept and two more


async def test_a_token_from_before_there_was_admin_does_what_it_did(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    await session.execute(text("UPDATE api_token SET scopes = '{read,write}'"))
    (own,) = (await client.get(TOKENS, headers=anna.headers)).json()["items"]
    assert own["scopes"] == ["read", "write"]
    for method, path, status in [
        ("GET", "/api/v1/me", 200),
        ("POST", "/api/v1/workspaces", 201),
        ("GET", f"{anna.url}/expenses", 200),
        ("DELETE", f"{TOKENS}/{own['id']}", 204),
    ]:
        answer = await client.request(method, path, json={"name": "Holidays"}, headers=anna.headers)
        assert answer.status_code == status, path
