"""Who may come in with what: tokens, scopes, session cookies and their CSRF token."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import Request, Response
from sqlalchemy import text
from tests.people import PASSWORD, Clock, People, Person

from expenses.accounts import service
from expenses.accounts.auth import clear_session_cookie, refuse_foreign_origin, set_session_cookie
from expenses.accounts.model import NewSession, WrongCSRFToken
from expenses.app import create_app
from expenses.config import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from expenses.db import Session

pytestmark = pytest.mark.anyio

COOKIE = "__Host-expenses_session"
DRAFT = {"name": "Holidays"}


async def sign_in(session: Session, person: Person, clock: Clock) -> NewSession:
    return await service.sign_in(
        session, email=person.user.email, password=PASSWORD, client_address="192.0.2.1", now=clock()
    )


def cookie_of(new: NewSession) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={new.token}"}


async def token_with(client: httpx.AsyncClient, person: Person, scope: str) -> dict[str, str]:
    form = {"username": person.user.email, "password": PASSWORD, "scope": scope}
    answer = await client.post("/api/v1/auth/token", data=form)
    assert answer.json()["scope"] == scope
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_without_token_or_cookie_the_answer_is_401_and_says_how(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/me"), ("GET", "/workspaces"), ("POST", "/workspaces"), ("POST", "/auth/logout")):
        answer = await client.request(method, f"/api/v1{path}", json=DRAFT)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthenticated"


MADE_UP = [
    "Bearer exp_" + "A" * 43,
    "Bearer ",
    "Bearer exp_",
    "Bearer ' OR 1=1 --",
    "Bearer \xff\x00",
    "Bearer " + "x" * 60_000,
    "Basic YW5uYTphbm5h",
    "exp_token",
]


async def test_a_made_up_token_answers_401(client: httpx.AsyncClient, anna: Person) -> None:
    for header in MADE_UP:
        answer = await client.get("/api/v1/me", headers={b"Authorization": header.encode("latin-1")})
        assert answer.status_code == 401, header[:40]
        assert anna.token not in answer.text


async def test_a_token_is_valid_until_it_expires(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    clock.turn(timedelta(days=30, seconds=-1))
    assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 200
    clock.turn(timedelta(seconds=1))
    answer = await client.get("/api/v1/me", headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert anna.token not in answer.text


async def test_a_revoked_token_is_of_no_use(client: httpx.AsyncClient, anna: Person) -> None:
    assert (await client.post("/api/v1/auth/logout", headers=anna.headers)).status_code == 204
    for method in ("GET", "POST"):
        answer = await client.request(method, "/api/v1/workspaces", json=DRAFT, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert (await client.post("/api/v1/auth/logout", headers=anna.headers)).status_code == 401


async def test_the_token_of_a_disabled_account_is_of_no_use(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    new = await sign_in(session, anna, clock)
    await session.execute(text("UPDATE user_account SET disabled_at = now()"))
    assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 401
    assert (await client.get("/api/v1/me", headers=cookie_of(new))).status_code == 401
    form = {"username": anna.user.email, "password": PASSWORD}
    refused = await client.post("/api/v1/auth/token", data=form)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")


async def test_a_token_that_may_read_may_not_write_but_may_be_given_back(
    client: httpx.AsyncClient, anna: Person
) -> None:
    headers = await token_with(client, anna, "read")
    assert (await client.get("/api/v1/workspaces", headers=headers)).status_code == 200
    refused = await client.post("/api/v1/workspaces", json=DRAFT, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert len((await client.get("/api/v1/workspaces", headers=headers)).json()["items"]) == 1
    assert (await client.post("/api/v1/auth/logout", headers=headers)).status_code == 204


async def test_a_token_that_may_only_write_may_not_read(client: httpx.AsyncClient, anna: Person) -> None:
    headers = await token_with(client, anna, "write")
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 403
    assert (await client.post("/api/v1/workspaces", json=DRAFT, headers=headers)).status_code == 201


async def test_a_token_is_found_by_one_indexed_query(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, statements: list[str]
) -> None:
    await client.get("/api/v1/me", headers=anna.headers)  # notes the token's use
    statements.clear()
    await client.get("/api/v1/me", headers=anna.headers)
    assert len(statements) == 2  # the second one asks for the workspaces
    async with app.state.engine.connect() as session:
        await session.execute(text("SET enable_seqscan = off"))
        (asked,) = [each for each in statements if "token_holder" in each]
        given = {"$1::UUID": f"'{anna.workspace.id}'", "$2::BYTEA": "'x'", "$3::TIMESTAMP WITH TIME ZONE": "now()"}
        for name, value in given.items():
            asked = asked.replace(name, value)
        plan = "\n".join((await session.execute(text(f"EXPLAIN {asked}"))).scalars())
    assert "api_token_token_hash_key" in plan
    assert "Seq Scan" not in plan


async def test_the_last_use_of_a_token_is_noted_once_a_minute(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    async def last_used() -> str:
        answer = await client.get("/api/v1/me/tokens", headers=anna.headers)
        used: str = answer.json()["items"][0]["last_used_at"]
        return used

    assert await last_used() == "2026-11-22T12:00:00Z"
    clock.turn(timedelta(seconds=59))
    assert await last_used() == "2026-11-22T12:00:00Z"
    clock.turn(timedelta(seconds=1))
    assert await last_used() == "2026-11-22T12:01:00Z"


async def test_a_cookie_reads_by_itself_and_writes_only_with_its_csrf_token(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session, clock: Clock
) -> None:
    ben = await people.sign_up("ben@example.org")
    mine, other = await sign_in(session, anna, clock), await sign_in(session, ben, clock)
    cookie = cookie_of(mine)
    assert (await client.get("/api/v1/me", headers=cookie)).json()["email"] == "anna@example.org"
    for given in (None, "", "wrong", "\xe4", other.csrf_token, mine.token):
        headers = cookie | ({} if given is None else {"X-CSRF-Token": given})
        refused = await client.post("/api/v1/workspaces", json=DRAFT, headers=httpx.Headers(headers, "latin-1"))
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_csrf_token")
        assert mine.csrf_token not in refused.text
    accepted = await client.post("/api/v1/workspaces", json=DRAFT, headers=cookie | {"X-CSRF-Token": mine.csrf_token})
    assert accepted.status_code == 201


async def test_a_bearer_token_counts_before_a_cookie(
    client: httpx.AsyncClient, anna: Person, people: People, session: Session, clock: Clock
) -> None:
    ben = await people.sign_up("ben@example.org")
    headers = cookie_of(await sign_in(session, anna, clock)) | ben.headers
    assert (await client.get("/api/v1/me", headers=headers)).json()["email"] == "ben@example.org"
    assert (await client.post("/api/v1/workspaces", json=DRAFT, headers=headers)).status_code == 201
    headers |= {"Authorization": "Bearer exp_wrong"}
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 401


async def test_a_session_ends_by_signing_out_and_by_itself(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    ended, forgotten = await sign_in(session, anna, clock), await sign_in(session, anna, clock)
    headers = cookie_of(ended) | {"X-CSRF-Token": ended.csrf_token}
    answer = await client.post("/api/v1/auth/logout", headers=headers)
    assert answer.status_code == 204
    assert f'{COOKIE}=""; HttpOnly; Max-Age=0; Path=/; SameSite=lax; Secure' in answer.headers["Set-Cookie"].replace(
        f" expires={answer.headers['Set-Cookie'].partition('expires=')[2].partition(';')[0]};", ""
    )
    assert (await client.get("/api/v1/me", headers=cookie_of(ended))).status_code == 401
    assert (await client.get("/api/v1/me", headers=cookie_of(forgotten))).status_code == 200
    clock.turn(timedelta(days=30))
    assert (await client.get("/api/v1/me", headers=cookie_of(forgotten))).status_code == 401


async def test_a_session_is_no_token_and_a_token_no_session(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    new = await sign_in(session, anna, clock)
    for headers in ({"Authorization": f"Bearer {new.token}"}, {"Cookie": f"{COOKIE}={anna.token}"}):
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("secure", "expected"),
    [
        (True, "__Host-expenses_session=t0ken; HttpOnly; Max-Age=3600; Path=/; SameSite=lax; Secure"),
        (False, "expenses_session=t0ken; HttpOnly; Max-Age=3600; Path=/; SameSite=lax"),
    ],
)
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(clock: Clock, *, secure: bool, expected: str) -> None:
    request = _request(secure=secure)
    response = Response()
    new = NewSession("t0ken", "csrf", clock() + timedelta(hours=1))
    set_session_cookie(request, response, new=new, now=clock())
    assert response.headers["Set-Cookie"] == expected
    response = Response()
    clear_session_cookie(request, response)
    assert response.headers["Set-Cookie"].startswith(expected.partition("t0ken")[0])
    assert "Max-Age=0" in response.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://our.example"}, True),
        ({"Origin": "https://our.example:8443"}, False),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "https://[evil"}, True),
    ],
)
def test_a_form_that_another_site_sent_is_refused(headers: dict[str, str], *, is_refused: bool) -> None:
    request = _request(headers={"Host": "our.example"} | headers)
    if is_refused:
        with pytest.raises(WrongCSRFToken):
            refuse_foreign_origin(request)
    else:
        refuse_foreign_origin(request)


def _request(*, secure: bool = True, headers: dict[str, str] | None = None) -> Request:
    settings = Settings(database_url="postgresql://127.0.0.1/none", secure_cookies=secure)  # type: ignore[arg-type]  # pydantic makes the secret
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "app": create_app(settings), "headers": raw, "path": "/", "scheme": "https"})
