"""The second factor: turning it on and off, and signing in with it through the API."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from sqlalchemy import text
from tests.accounts.factor import FACTOR, set_up
from tests.people import PASSWORD

from expenses.accounts import service, throttle
from expenses.accounts.factors import SecondFactorRequired, SignInExpired, WrongSecondFactor
from expenses.accounts.tokens import recovery_code_hash

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Clock, Person

    from expenses.accounts.model import NewSession
    from expenses.db import Session

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cheap_passwords")]


async def ask_for_token(client: httpx.AsyncClient, person: Person, **more: str) -> httpx.Response:
    form = {"username": person.user.email, "password": PASSWORD, **more}
    return await client.post("/api/v1/auth/token", data=form)


async def half_signed_in(session: Session, person: Person, clock: Clock) -> str:
    with pytest.raises(SecondFactorRequired) as caught:
        await service.sign_in(
            session, email=person.user.email, password=PASSWORD, client_address="192.0.2.1", now=clock()
        )
    assert caught.value.step_token
    return caught.value.step_token


async def events(client: httpx.AsyncClient, person: Person) -> list[str]:
    answer = await client.get("/api/v1/me/events", headers=person.headers)
    return [event["kind"] for event in answer.json()["items"]]


async def test_it_is_on_only_after_a_right_code(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    enable = f"{FACTOR}/enable"
    early = await client.post(enable, json={"code": "123456"}, headers=anna.headers)
    assert (early.status_code, early.json()["code"]) == (409, "second_factor_state")
    phone = await set_up(client, anna, clock)
    assert len(set(phone.recovery_codes)) == 10
    state = (await client.get(FACTOR, headers=anna.headers)).json()
    assert state == {"is_on": True, "enabled_at": "2026-11-22T12:00:00Z", "recovery_codes_left": 10}
    again = await client.post(FACTOR, json={"password": PASSWORD}, headers=anna.headers)
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_state")
    assert (await client.post(enable, json={"code": phone.next_code()}, headers=anna.headers)).status_code == 409


async def test_a_wrong_code_or_a_secret_that_waited_turns_nothing_on(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    begun = await client.post(FACTOR, json={"password": PASSWORD}, headers=anna.headers)
    assert begun.headers["Cache-Control"] == "no-store"
    assert begun.json()["secret"] in begun.json()["otpauth_url"]
    for code in ("", "12345", "١٢٣٤٥٦", "x" * 64, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        refused = await client.post(f"{FACTOR}/enable", json={"code": code}, headers=anna.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_code"), code
    clock.turn(timedelta(minutes=30))
    late = await client.post(f"{FACTOR}/enable", json={"code": "123456"}, headers=anna.headers)
    assert late.json()["code"] == "second_factor_state"
    assert (await ask_for_token(client, anna)).status_code == 200


async def test_setting_it_up_needs_the_password(client: httpx.AsyncClient, anna: Person) -> None:
    refused = await client.post(FACTOR, json={"password": "not the right one"}, headers=anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    assert "not the right one" not in refused.text


async def test_a_token_needs_the_code_as_well(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    phone = await set_up(client, anna, clock)
    for more in ({}, {"code": ""}):
        asked = await ask_for_token(client, anna, **more)
        assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    wrong = await ask_for_token(client, anna, code=phone.wrong_code())
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_second_factor")
    assert (await ask_for_token(client, anna, code=phone.next_code())).status_code == 200
    assert (await ask_for_token(client, anna, code=phone.recovery_codes[0])).status_code == 200
    wrong_password = {"password": "wrong password", "code": phone.next_code()}
    refused = await ask_for_token(client, anna, **wrong_password)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")


async def test_no_code_is_taken_twice(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    phone = await set_up(client, anna, clock)
    used = phone.code()
    assert (await ask_for_token(client, anna, code=used)).json()["code"] == "wrong_second_factor"
    code = phone.next_code()
    assert (await ask_for_token(client, anna, code=code)).status_code == 200
    for _ in range(2):
        assert (await ask_for_token(client, anna, code=code)).json()["code"] == "wrong_second_factor"
        clock.turn(timedelta(seconds=30))
    recovery = phone.recovery_codes[3]
    assert (await ask_for_token(client, anna, code=recovery.upper())).status_code == 200
    assert (await ask_for_token(client, anna, code=recovery)).status_code == 401
    assert (await client.get(FACTOR, headers=anna.headers)).json()["recovery_codes_left"] == 9
    assert {"recovery_code_used", "second_factor_refused"} <= set(await events(client, anna))


@pytest.mark.parametrize("kind", ["code", "recovery code"])
async def test_of_the_same_code_at_the_same_moment_one_counts(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock, *, kind: str
) -> None:
    phone = await set_up(client, anna, clock)
    steps = [await half_signed_in(session, anna, clock) for _ in range(3)]
    code = phone.next_code() if kind == "code" else phone.recovery_codes[0]
    done: list[NewSession | None] = []

    async def finish(step: str) -> None:
        async with app.state.engine.connect() as own:
            try:
                done.append(await service.finish_sign_in(own, step_token=step, code=code, now=clock()))
            except WrongSecondFactor:
                done.append(None)

    async with anyio.create_task_group() as tasks:
        for step in steps:
            tasks.start_soon(finish, step)
    assert sum(new is not None for new in done) == 1


async def test_codes_are_throttled_like_passwords_over_all_ways_and_replicas(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    phone = await set_up(client, anna, clock)
    step = await half_signed_in(session, anna, clock)
    clock.turn(timedelta(seconds=30))
    for number in range(throttle.SECOND_FACTOR.burst):
        if number % 2:
            assert (await ask_for_token(client, anna, code=phone.wrong_code())).status_code == 401
        else:
            with pytest.raises(WrongSecondFactor):
                await service.finish_sign_in(session, step_token=step, code=phone.wrong_code(), now=clock())
    proof = {"password": PASSWORD, "code": phone.code()}
    for refused in (
        await ask_for_token(client, anna, code=phone.code()),
        await ask_for_token(client, anna, code=phone.recovery_codes[0]),
        await client.post(f"{FACTOR}/disable", json=proof, headers=anna.headers),
    ):
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        assert int(refused.headers["Retry-After"]) <= 300
    clock.turn(throttle.SECOND_FACTOR.per_drop)
    assert (await ask_for_token(client, anna, code=phone.code())).status_code == 200


async def test_half_a_sign_in_is_none_and_does_not_last(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock
) -> None:
    phone = await set_up(client, anna, clock)
    step = await half_signed_in(session, anna, clock)
    for headers in ({"Authorization": f"Bearer {step}"}, {"Cookie": f"__Host-expenses_session={step}"}):
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    clock.turn(service.STEP_LIFETIME)
    with pytest.raises(SignInExpired):
        await service.finish_sign_in(session, step_token=step, code=phone.code(), now=clock())
    fresh = await half_signed_in(session, anna, clock)
    await service.finish_sign_in(session, step_token=fresh, code=phone.code(), now=clock())
    with pytest.raises(SignInExpired):
        await service.finish_sign_in(session, step_token=fresh, code=phone.next_code(), now=clock())
    assert (await session.execute(text("SELECT count(*) FROM sign_in_step"))).scalar() == 0


async def test_turning_it_off_needs_the_password_and_a_code(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    disable = f"{FACTOR}/disable"
    off = await client.post(disable, json={"password": PASSWORD, "code": "123456"}, headers=anna.headers)
    assert (off.status_code, off.json()["code"]) == (409, "second_factor_state")
    phone = await set_up(client, anna, clock)
    for password, code, why in [
        ("not the right one", phone.next_code(), "wrong_password"),
        (PASSWORD, phone.wrong_code(), "wrong_code"),
    ]:
        refused = await client.post(disable, json={"password": password, "code": code}, headers=anna.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, why)
    proof = {"password": PASSWORD, "code": phone.recovery_codes[0]}
    assert (await client.post(disable, json=proof, headers=anna.headers)).status_code == 204
    assert (await ask_for_token(client, anna)).status_code == 200
    assert {"second_factor_on", "second_factor_off"} <= set(await events(client, anna))


async def test_new_recovery_codes_replace_the_old(client: httpx.AsyncClient, anna: Person, clock: Clock) -> None:
    phone = await set_up(client, anna, clock)
    proof = {"password": PASSWORD, "code": phone.next_code()}
    renewed = await client.post(f"{FACTOR}/recovery-codes", json=proof, headers=anna.headers)
    assert (renewed.status_code, renewed.headers["Cache-Control"]) == (200, "no-store")
    assert (await ask_for_token(client, anna, code=phone.recovery_codes[0])).status_code == 401
    assert (await ask_for_token(client, anna, code=renewed.json()["recovery_codes"][0])).status_code == 200


async def test_recovery_codes_are_stored_as_hashes_and_no_secret_is_logged(
    client: httpx.AsyncClient, anna: Person, session: Session, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    phone = await set_up(client, anna, clock)
    stored = (await session.execute(text("SELECT code_hash FROM recovery_code"))).scalars().all()
    assert set(stored) == {recovery_code_hash(code) for code in phone.recovery_codes}
    wrong = await ask_for_token(client, anna, code=phone.recovery_codes[0] + "x")
    for secret in (phone.secret.hex(), *phone.recovery_codes, PASSWORD):
        assert secret not in caplog.text + wrong.text
    listed = await client.get(FACTOR, headers=anna.headers)
    assert set(listed.json()) == {"is_on", "enabled_at", "recovery_codes_left"}
