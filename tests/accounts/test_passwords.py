"""How passwords are stored and compared, and what hashing does to everybody else."""

from __future__ import annotations

import asyncio

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from expenses.accounts.model import Busy
from expenses.accounts.passwords import AT_ONCE, IN_LINE, hash_password, verify_password

pytestmark = pytest.mark.anyio


async def test_a_password_is_stored_as_argon2id_with_64_mib() -> None:
    assert (await hash_password("correct horse")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_only_the_right_password_matches() -> None:
    stored = await hash_password("correct horse")
    assert await verify_password("correct horse", stored) == (True, None)
    assert await verify_password("wrong horse!", stored) == (False, None)
    assert await verify_password("correct horse", None) == (False, None)


async def test_a_password_typed_on_another_keyboard_matches() -> None:
    stored = await hash_password("cafe\u0301 du monde")  # decomposed
    assert await verify_password("caf\u00e9 du monde", stored) == (True, None)  # composed


async def test_a_hash_of_lower_cost_is_made_anew_when_its_password_is_seen() -> None:
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8 * 1024, parallelism=1),)).hash("correct horse")
    matches, better = await verify_password("correct horse", cheap)
    assert matches
    assert better is not None
    assert better.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await verify_password("correct horse", better) == (True, None)


async def test_the_event_loop_goes_on_while_a_password_is_hashed() -> None:
    hashing = asyncio.ensure_future(hash_password("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5  # on the event loop it would be one
    await hashing


async def test_who_comes_when_the_line_is_full_is_sent_away_at_once_and_served_later() -> None:
    places = AT_ONCE + IN_LINE
    answers = await asyncio.gather(*(hash_password("correct horse") for _ in range(places + 3)), return_exceptions=True)
    sent_away = [answer for answer in answers if isinstance(answer, Busy)]
    assert len(sent_away) == 3
    assert all(busy.retry_after_s == 1 for busy in sent_away)
    assert sum(isinstance(answer, str) for answer in answers) == places
    assert await hash_password("correct horse")
