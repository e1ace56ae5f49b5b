"""Getting and giving back tokens over HTTP, and what somebody learns who guesses."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import text
from tests.people import PASSWORD, Clock, People, Person

from expenses.accounts import throttle
from expenses.accounts.tokens import token_hash

if TYPE_CHECKING:
    import httpx

    from expenses.db import Session

pytestmark = pytest.mark.anyio

HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE user_account; --",
    "{{7*7}}",
    "%s%n",
    "../../etc/passwd",
    "\u202e",
]


async def ask_for_token(client: httpx.AsyncClient, email: str, password: str, **more: str) -> httpx.Response:
    return await client.post("/api/v1/auth/token", data={"username": email, "password": password, **more})


async def test_a_token_is_256_random_bits_with_a_prefix_and_stored_only_as_a_hash(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    answers = [(await ask_for_token(client, anna.user.email, PASSWORD)) for _ in range(2)]
    first, second = (answer.json() for answer in answers)
    assert first["access_token"] != second["access_token"]
    assert first["access_token"].startswith("exp_")
    assert len(first["access_token"]) == 4 + 43
    assert (first["token_type"], first["expires_in"], first["scope"]) == ("bearer", 30 * 86400, "read write")
    assert answers[0].headers["Cache-Control"] == "no-store"
    stored = (await session.execute(text("SELECT * FROM api_token"))).all()
    assert token_hash(first["access_token"]) in [row.token_hash for row in stored]
    assert first["access_token"] not in repr(stored)


WRONG = [
    ("anna@example.org", PASSWORD + "\x00"),
    ("nobody@example.org", PASSWORD),
    ("anna@example.org\x00", PASSWORD),
    ("not an address", PASSWORD),
    ("anna@example.org", "x" * 1_000_000),
    ("x" * 1_000_000, PASSWORD),
    *((hostile, hostile) for hostile in HOSTILE),
]


@pytest.mark.usefixtures("anna")
async def test_whatever_is_wrong_the_answer_is_the_same(client: httpx.AsyncClient) -> None:
    for email, password in WRONG:
        answer = await ask_for_token(client, email, password)
        assert answer.status_code == 401, email[:40]
        assert answer.json() == {
            "type": "/api/errors#wrong_credentials",
            "title": "wrong credentials",
            "status": 401,
            "code": "wrong_credentials",
            "detail": "The e-mail address or the password is wrong.",
        }


async def test_a_form_without_its_fields_is_malformed_and_not_repeated(client: httpx.AsyncClient) -> None:
    for form in ({}, {"username": "anna@example.org"}, {"password": "hunter2hunter2"}):
        answer = await client.post("/api/v1/auth/token", data=form)
        assert answer.status_code == 422
        assert "hunter2" not in answer.text
    other_grant = await ask_for_token(client, "anna@example.org", PASSWORD, grant_type="client_credentials")
    assert (other_grant.status_code, other_grant.json()["code"]) == (422, "malformed")
    assert PASSWORD not in other_grant.text


async def test_a_file_in_place_of_a_field_is_malformed(client: httpx.AsyncClient) -> None:
    for field in ("username", "password", "scope"):
        form = {name: PASSWORD for name in ("username", "password") if name != field}
        answer = await client.post("/api/v1/auth/token", data=form, files={field: b"x" * 100_000})
        assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


async def test_unknown_scopes_and_broken_names_are_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for more in ({"scope": "read root"}, {"client_id": "a\x00b"}, {"client_id": "x" * 1_000_000}):
        answer = await ask_for_token(client, anna.user.email, PASSWORD, **more)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), more
        assert answer.json()["errors"][0]["field"] == next(iter(more))


async def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(
    client: httpx.AsyncClient, anna: Person
) -> None:
    async def shortest(email: str) -> float:
        times = []
        for _ in range(3):
            start = time.process_time()  # of all threads; unlike the clock on the wall it knows no other processes
            assert (await ask_for_token(client, email, "wrong password")).status_code == 401
            times.append(time.process_time() - start)
        return min(times)

    known, unknown, malformed = [
        await shortest(email) for email in (anna.user.email, "nobody@example.org", "not an address")
    ]
    assert 0.6 < unknown / known < 1.6
    assert 0.6 < malformed / known < 1.6


async def test_guessing_at_one_account_is_slowed_down_and_unlocks_by_itself(
    client: httpx.AsyncClient, anna: Person, people: People, clock: Clock
) -> None:
    for _ in range(throttle.ACCOUNT.burst):
        assert (await ask_for_token(client, "Anna@Example.org ", "x" * 2000)).status_code == 401
    for password in ("wrong password", PASSWORD):  # the right one, too, or it would tell
        refused = await ask_for_token(client, anna.user.email, password)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        assert refused.headers["Retry-After"] == "60"
    ben = await people.sign_up()
    assert (await ask_for_token(client, ben.user.email, PASSWORD)).status_code == 200
    assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 200
    clock.turn(timedelta(seconds=60))
    assert (await ask_for_token(client, anna.user.email, PASSWORD)).status_code == 200


async def test_an_address_without_account_is_slowed_down_alike(client: httpx.AsyncClient) -> None:
    statuses = [
        (await ask_for_token(client, "nobody@example.org", "x" * 2000)).status_code
        for _ in range(throttle.ACCOUNT.burst + 1)
    ]
    assert statuses == [401] * throttle.ACCOUNT.burst + [429]


async def test_one_address_cannot_try_many_accounts(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    for number in range(throttle.ADDRESS.burst):
        assert (await ask_for_token(client, f"user{number}@example.org", "x" * 2000)).status_code == 401
    refused = await ask_for_token(client, anna.user.email, PASSWORD)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "15"
    clock.turn(timedelta(seconds=15))
    assert (await ask_for_token(client, anna.user.email, PASSWORD)).status_code == 200


async def test_a_sign_in_forgives_the_account_and_counts_nothing_for_the_address(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    for _ in range(2):
        for _ in range(throttle.ACCOUNT.burst - 1):
            assert (await ask_for_token(client, anna.user.email, "x" * 2000)).status_code == 401
        assert (await ask_for_token(client, anna.user.email, PASSWORD)).status_code == 200
    drained_at = (await session.execute(text("SELECT drained_at FROM login_throttle"))).scalar_one()
    wrong = 2 * (throttle.ACCOUNT.burst - 1)
    assert drained_at - clock() == wrong * throttle.ADDRESS.per_drop  # only the address's bucket is left


async def test_a_sign_in_replaces_a_hash_of_lower_cost(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1),)).hash(PASSWORD)
    await session.execute(text("UPDATE user_account SET password_hash = :cheap"), {"cheap": cheap})
    assert (await ask_for_token(client, anna.user.email, PASSWORD)).status_code == 200
    stored = (await session.execute(text("SELECT password_hash FROM user_account"))).scalar_one()
    assert stored.startswith("$argon2id$v=19$m=65536,")
    assert (await ask_for_token(client, anna.user.email, PASSWORD)).status_code == 200


async def test_expired_tokens_are_cleared_away_at_the_next_sign_in(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    clock.turn(timedelta(days=31))
    await ask_for_token(client, anna.user.email, PASSWORD)
    assert (await session.execute(text("SELECT count(*) FROM api_token"))).scalar() == 1


async def test_people_list_and_revoke_their_own_tokens_only(
    client: httpx.AsyncClient, anna: Person, people: People, clock: Clock
) -> None:
    ben = await people.sign_up()
    clock.turn(timedelta(seconds=1))
    lost = (await ask_for_token(client, anna.user.email, PASSWORD, client_id="Lost phone", scope="read")).json()
    listed = (await client.get("/api/v1/me/tokens", headers=anna.headers)).json()["items"]
    assert [(token["name"], token["scopes"]) for token in listed] == [
        ("Lost phone", ["read"]),
        ("test", ["admin", "read", "write"]),
    ]
    assert lost["access_token"] not in str(listed)
    path = f"/api/v1/me/tokens/{listed[0]['id']}"
    assert (await client.delete(path, headers=ben.headers)).status_code == 404
    assert (await client.delete(path, headers=anna.headers)).status_code == 204
    assert (await client.delete(path, headers=anna.headers)).status_code == 404
    headers = {"Authorization": f"Bearer {lost['access_token']}"}
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    assert (await client.delete("/api/v1/me/tokens/no-uuid", headers=anna.headers)).status_code == 422


async def test_no_secret_is_logged_or_repeated_in_an_answer(
    client: httpx.AsyncClient, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    draft = {"email": "log@example.org", "password": "s3cret pass phrase", "display_name": "Log"}
    texts = [(await client.post("/api/v1/auth/register", json=draft)).text for _ in range(2)]
    texts.append((await client.post("/api/v1/auth/register", json=draft | {"email": 7})).text)
    texts.append((await client.post("/api/v1/auth/register", content=b'{"password": "s3cret')).text)
    token = (await ask_for_token(client, "log@example.org", draft["password"])).json()["access_token"]
    texts.append((await ask_for_token(client, "log@example.org", "s3cret but wrong")).text)
    for given in (token, token + "x"):
        answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {given}"})
        texts.append(answer.text)
    stored = (await session.execute(text("SELECT password_hash FROM user_account"))).scalar_one()
    for secret in ("s3cret", token, stored, token_hash(token).hex()):
        assert secret not in caplog.text
        assert all(secret not in answer for answer in texts)


async def test_a_database_error_tells_no_values(session: Session) -> None:
    with pytest.raises(Exception, match="division by zero") as caught:
        await session.execute(text("SELECT 1 / length(:secret || '') - 3, 1 / 0"), {"secret": "argon2id$hash"})
    assert "argon2id" not in str(caught.value)
