"""How often somebody may try, counted in the database for all replicas."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from sqlalchemy import text

from expenses.accounts.model import TooManyAttempts
from expenses.accounts.throttle import ACCOUNT, ADDRESS, Limit, count_attempt, forgive_all, network_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from tests.people import Clock

    from expenses.db import Session

pytestmark = pytest.mark.anyio

THREE = Limit("test", burst=3, per_drop=timedelta(seconds=20))


async def attempts(session: Session, clock: Clock, subject: str = "anna", limit: Limit = THREE) -> int | None:
    """None if the attempt may go on, else the seconds to wait."""
    try:
        await count_attempt(session, limit=limit, subject=subject, now=clock())
    except TooManyAttempts as refused:
        return refused.retry_after_s
    return None


async def test_a_burst_is_let_through_and_the_next_is_told_how_long_to_wait(session: Session, clock: Clock) -> None:
    assert [await attempts(session, clock) for _ in range(5)] == [None, None, None, 20, 20]


async def test_it_opens_by_itself_one_attempt_at_a_time(session: Session, clock: Clock) -> None:
    for _ in range(4):
        await attempts(session, clock)
    clock.turn(timedelta(seconds=19))
    assert await attempts(session, clock) == 1
    clock.turn(timedelta(seconds=1))
    assert [await attempts(session, clock) for _ in range(2)] == [None, 20]
    clock.turn(timedelta(hours=1))
    assert [await attempts(session, clock) for _ in range(4)] == [None, None, None, 20]


async def test_subjects_and_limits_do_not_disturb_each_other(session: Session, clock: Clock) -> None:
    for _ in range(4):
        await attempts(session, clock)
    assert await attempts(session, clock, "ben") is None
    assert await attempts(session, clock, "anna", ADDRESS) is None


async def test_attempts_at_the_same_moment_on_many_connections_are_all_counted(app: FastAPI, clock: Clock) -> None:
    answers: list[int | None] = []

    async def attempt() -> None:
        async with app.state.engine.connect() as session:
            answers.append(await attempts(session, clock))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(attempt)
    assert sorted(answer is None for answer in answers) == [False] * 7 + [True] * 3


async def test_buckets_that_have_drained_are_cleared_away(session: Session, clock: Clock) -> None:
    for number in range(20):
        await attempts(session, clock, f"attacker {number}")
    clock.turn(timedelta(minutes=1))
    await attempts(session, clock, "still counting")
    await forgive_all(session, limit=THREE, subject="anna", now=clock())
    assert (await session.execute(text("SELECT count(*) FROM login_throttle"))).scalar() == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_one_subscriber_is_one_address(address: str | None, network: str) -> None:
    assert network_of(address) == network


def test_the_limits_leave_room_for_a_forgetful_person_and_none_for_guessing() -> None:
    a_day = ACCOUNT.burst + timedelta(days=1) / ACCOUNT.per_drop
    assert 5 <= ACCOUNT.burst <= 20
    assert a_day <= 1450
