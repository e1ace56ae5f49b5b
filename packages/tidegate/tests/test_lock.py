"""The mutex and the fence on real sessions, without a run around them."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from conftest import execute

from tidegate.database import lock
from tidegate.database.connect import backend_pid
from tidegate.database.lock import (
    FENCE,
    FIRST_POLL_S,
    LAST_POLL_S,
    MUTEX,
    Holder,
    acquire,
    holders,
    key_halves,
    wait_for_fence,
)
from tidegate.database.record import NewRun, begin_run
from tidegate.database.record_layout import ensure_record
from tidegate.errors import LockBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project
    from tools.postgres import Cluster

SHARED = f"SELECT pg_advisory_lock_shared({FENCE})"
ALONE = f"SELECT pg_advisory_lock({MUTEX})"


@contextmanager
def session(url: str, *statements: str, name: str = "somebody") -> Iterator[Any]:
    connection = psycopg2.connect(url, application_name=name)
    connection.autocommit = True
    for statement in statements:
        connection.cursor().execute(statement)
    try:
        yield connection
    finally:
        connection.close()


class Clock:
    """A clock that only sleeping turns, so that a wait of half a minute takes none."""

    BEGIN = 5.0
    TICK = 1 / 1024
    """Times are whole numbers of ticks, so that sums are exact."""

    def __init__(self) -> None:
        self.now = self.BEGIN
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert len(self.pauses) < 1000, "it waits for ever"
        self.pauses.append(round(seconds / self.TICK) * self.TICK)
        self.now += self.pauses[-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The module's clock, and the same chance each time."""
    made = Clock()
    monkeypatch.setattr(lock, "time", made)
    monkeypatch.setattr(lock, "random", random.Random(7))  # noqa: S311 - jitter
    return made


def take(control: Any, wait_s: float = 0, **options: Any) -> tuple[bool, list[str]]:  # noqa: ANN401 - psycopg2's
    told: list[str] = []
    held = acquire(control, wait_s=wait_s, tell=told.append, **({"nothing_left": lambda: False} | options))
    return held, told


def test_the_keys_are_shown_in_halves() -> None:
    assert key_halves(MUTEX) == (0x74696465, 0x67617465)
    assert key_halves(FENCE) == (0x74696465, 0x6761746A)
    assert key_halves(0x1_FFFF_FFFF) == (1, 0xFFFF_FFFF)


def test_a_free_lock_is_taken_at_once_and_without_a_word(project: Project) -> None:
    with session(project.url) as control, session(project.url) as other:
        began = time.monotonic()
        assert take(control) == (True, [])
        assert time.monotonic() - began < 1
        assert [holder.pid for holder in holders(other, MUTEX)] == [backend_pid(control)]
        assert holders(other, FENCE) == [], "the worker is to take it, shared"
        assert holders(control, MUTEX) == [], "one does not wait for oneself"


def test_a_lock_in_another_database_is_in_nobodys_way(project: Project, server: Cluster) -> None:
    with session(server.url, ALONE, SHARED), session(project.url) as control:
        assert holders(control, MUTEX) == []
        assert take(control)[0]


def test_keys_of_others_are_not_ours(project: Project) -> None:
    high, low = key_halves(MUTEX)
    two = f"SELECT pg_advisory_lock({high}, {low})"
    with session(project.url, two, "SELECT pg_advisory_lock(1)") as other, session(project.url) as control:
        assert holders(control, MUTEX) == []
        other.cursor().execute(f"SELECT pg_advisory_lock({high << 32}), pg_advisory_lock({low})")
        assert holders(control, MUTEX) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [(ALONE, "the migration lock"), (SHARED, "a statement that a killed run left")],
    ids=["mutex", "fence"],
)
def test_who_waits_in_vain_is_told_for_what_and_for_whom(project: Project, statement: str, what: str) -> None:
    with session(project.url, statement, name="api-2") as holder, session(project.url) as control:
        pid = backend_pid(holder)
        with pytest.raises(LockBusy) as busy:
            take(control, 0.3)
        error = busy.value
        assert error.holder_pid == pid
        assert 0.3 <= error.waited_s < 2
        assert error.message.startswith("waited 0.")
        assert error.message.endswith(f" s for {what}, still held by pid {pid} (`api-2`)")
        assert f"or end it with `SELECT pg_terminate_backend({pid})`" in str(error.hint)
        assert "`--lock-wait 30m`" in str(error.hint)


def test_no_wait_is_one_attempt(project: Project) -> None:
    with session(project.url, ALONE), session(project.url) as control:
        began = time.monotonic()
        with pytest.raises(LockBusy):
            take(control)
        assert time.monotonic() - began < 0.5


def test_the_mutex_is_kept_while_the_fence_is_waited_for(project: Project) -> None:
    with session(project.url, SHARED) as worker, session(project.url) as control, session(project.url) as third:
        asked = []

        def nothing_left() -> bool:
            asked.append([holder.pid for holder in holders(third, MUTEX)])
            if len(asked) == 3:
                worker.cursor().execute("SELECT pg_advisory_unlock_all()")
            return False

        assert take(control, 10, nothing_left=nothing_left)[0]
        assert asked[0] == []
        assert asked[1] == asked[2] == [backend_pid(control)]
        assert len(asked) <= 4, "it is looked at often, since the next run has two seconds"


def test_when_nothing_is_left_to_do_nothing_is_held(project: Project) -> None:
    with session(project.url, SHARED), session(project.url) as control, session(project.url) as third:
        answers = iter([False, True])
        assert take(control, 10, nothing_left=lambda: next(answers)) == (False, [])
        assert holders(third, MUTEX) == []


def test_a_check_that_raises_ends_the_wait(project: Project) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with session(project.url) as control, session(project.url) as third:
        with pytest.raises(KeyboardInterrupt):
            take(control, 10, check=check)
        assert holders(third, MUTEX) == []


def test_a_wait_is_told_after_a_second_with_the_run_that_is_waited_for(project: Project, clock: Clock) -> None:
    with session(project.url, ALONE, name="api-2") as holder, session(project.url) as control:
        ensure_record(holder)
        run_id = begin_run(holder, NewRun("tidegate upgrade", "ann", "db-1", 1, None, "1", []))
        told: list[str] = []
        with pytest.raises(LockBusy):
            acquire(control, wait_s=2.0, nothing_left=lambda: False, tell=told.append)
        (line,) = told
        assert clock.now == clock.BEGIN + 2.0
        assert line.startswith("waiting for the migration lock (1.")
        assert f"so far): pid {backend_pid(holder)} (`api-2`" in line
        assert line.endswith(f", run {run_id} by ann on db-1")


def test_a_holder_is_told_with_how_long_its_statement_runs() -> None:
    assert str(Holder(7, "api", "SELECT", 3.0)) == "pid 7 (`api`, its statement runs for 3.00 s)"
    assert str(Holder(7, "api", None, None)) == "pid 7 (`api`)"


def test_only_a_busy_session_has_a_statement_that_runs(project: Project) -> None:
    with session(project.url, SHARED, name="") as worker, session(project.url) as control:
        (holder,) = holders(control, FENCE)
        assert holder[:4] == (backend_pid(worker), "postgres", SHARED, None)


def test_the_wait_for_the_fence_ends_with_it_or_with_its_time(project: Project) -> None:
    with session(project.url) as control:
        began = time.monotonic()
        wait_for_fence(control, wait_s=5)
        assert time.monotonic() - began < 0.5
        with session(project.url, SHARED) as worker:
            wait_for_fence(control, wait_s=0.3)
            assert 0.3 <= time.monotonic() - began < 2
            execute(project.url, f"SELECT pg_terminate_backend({backend_pid(worker)})")
            began = time.monotonic()
            wait_for_fence(control, wait_s=5)
            assert time.monotonic() - began < 2


def test_a_long_wait_is_polled_seldom_a_short_one_often_and_told_every_ten_seconds(
    project: Project, clock: Clock
) -> None:
    told: list[float] = []
    with session(project.url, ALONE), session(project.url) as control, pytest.raises(LockBusy) as busy:
        acquire(control, wait_s=30.0, nothing_left=lambda: False, tell=lambda _: told.append(clock.now - clock.BEGIN))
    assert busy.value.waited_s == 30.0, "not a moment longer"
    waited = 0.0
    for pause in clock.pauses[:-1]:
        bound = min(LAST_POLL_S, max(FIRST_POLL_S, waited / 8))
        assert bound / 2 - clock.TICK <= pause <= bound + clock.TICK
        waited += pause
    assert (FIRST_POLL_S, LAST_POLL_S) == (0.025, 0.25)
    assert len({*clock.pauses}) > 50, "replicas do not poll in step"
    assert len(told) == 3
    for after, at_least in zip(told, (1, 11, 21), strict=True):
        assert at_least <= after <= at_least + 3 * LAST_POLL_S


def test_with_the_mutex_in_hand_the_fence_is_looked_at_often_to_the_end(project: Project, clock: Clock) -> None:
    with session(project.url, SHARED), session(project.url) as control, pytest.raises(LockBusy):
        take(control, 5.0)
    assert max(clock.pauses) <= FIRST_POLL_S + clock.TICK


def test_the_wait_for_the_fence_has_a_bound_of_five_seconds_unless_told_otherwise(
    project: Project, clock: Clock
) -> None:
    with session(project.url, SHARED), session(project.url) as control:
        wait_for_fence(control)
    assert 5.0 <= sum(clock.pauses) < 5.05
    assert max(clock.pauses) <= 0.05 + clock.TICK


def test_the_one_that_is_named_first_is_the_one_to_end(project: Project) -> None:
    with (
        session(project.url, SHARED, name="api-1") as first,
        session(project.url, SHARED, name="api-2") as second,
        session(project.url) as control,
    ):
        pids = sorted([backend_pid(first), backend_pid(second)])
        assert [holder.pid for holder in holders(control, FENCE)] == pids
        with pytest.raises(LockBusy, match=r"still held by pid \d+ \(`api-\d`\); pid \d+") as busy:
            take(control)
        assert busy.value.holder_pid == pids[0]
