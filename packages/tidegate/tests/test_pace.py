"""How patient a run is: pure arithmetic with a clock that the test turns."""

from __future__ import annotations

import pytest

from tidegate.errors import UsageError
from tidegate.report.target import read_pace
from tidegate.run.pace import FIRST_PAUSE_S, LAST_PAUSE_S, LEAST_TIMEOUT_S, Pace, Patience


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def patience(clock: Clock, pace: Pace = Pace(), *, chance: float = 1.0) -> Patience:  # noqa: B008 - immutable
    return Patience(pace, clock=clock, chance=lambda: chance)


def test_the_lock_timeout_does_not_grow_unless_the_operator_says_so() -> None:
    assert {Pace().timeout_s(attempt) for attempt in (1, 2, 10, 10_000)} == {0.1}


def test_the_lock_timeout_grows_to_what_the_operator_allows_and_not_beyond() -> None:
    pace = Pace(lock_timeout_max_s=1.0)
    grown = [pace.timeout_s(attempt) for attempt in range(1, 20)]
    assert grown[:4] == pytest.approx([0.1, 0.15, 0.225, 0.3375])
    assert grown == sorted(grown)
    assert grown[-1] == pace.timeout_s(10_000) == 1.0


def test_a_largest_timeout_below_the_first_does_not_shorten_the_first() -> None:
    assert Pace(lock_timeout_s=2.0, lock_timeout_max_s=0.5).timeout_s(3) == 2.0


def test_all_statements_that_wait_while_a_lock_is_held_share_one_timeout() -> None:
    pace = Pace()
    assert pace.left_s(1, held_for_s=None) == 0.1
    assert pace.left_s(1, held_for_s=0.04) == pytest.approx(0.06)
    assert pace.left_s(1, held_for_s=60) == LEAST_TIMEOUT_S
    assert Pace(lock_timeout_s=0).left_s(1, held_for_s=60) == 0, "no limit stays none"
    assert Pace(lock_timeout_s=0.005).left_s(1, held_for_s=60) == 0.005


def test_the_budget_runs_from_the_first_wait_and_ends_by_time_or_by_attempts() -> None:
    clock = Clock()
    left = patience(clock, Pace(retry_for_s=10, retry_attempts=3))
    clock.now += 100
    assert left.waited_s == 0
    left.begin_waiting()
    clock.now += 9
    left.begin_waiting()
    assert left.waited_s == 9
    assert left.may_try_again
    clock.now += 1
    assert left.time_is_up
    assert not left.may_try_again
    clock.now += 10_000
    assert left.waited_s == 10_010
    clock.now -= 10_005
    assert left.next_attempt() == 2
    assert left.may_try_again
    assert left.next_attempt() == 3
    assert not left.may_try_again
    assert left.next_attempt() == 4
    assert not left.may_try_again


def test_a_revision_that_got_through_leaves_the_next_one_the_whole_time() -> None:
    clock = Clock()
    left = patience(clock, Pace(retry_for_s=10))
    left.begin_waiting()
    clock.now += 60
    assert left.time_is_up
    left.got_through()
    assert not left.time_is_up
    left.begin_waiting()
    clock.now += 9
    assert left.waited_s == 9


def test_pauses_grow_with_jitter_stay_bounded_and_never_outlast_the_budget() -> None:
    clock = Clock()
    most, least = patience(clock, chance=1.0), patience(clock, chance=0.0)
    assert most.pause_s() == FIRST_PAUSE_S
    assert least.pause_s() == FIRST_PAUSE_S / 2
    pauses = []
    for most.attempt in range(1, 6):
        pauses.append(most.pause_s())
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    most.attempt = 10_000
    assert most.pause_s() == LAST_PAUSE_S
    most.begin_waiting()
    clock.now += most.pace.retry_for_s - 1
    assert most.pause_s() == 1
    clock.now += 5
    assert most.pause_s() == 0


def test_options_count_before_the_environment_and_that_before_the_defaults() -> None:
    assert read_pace({}) == Pace() == Pace(0.1, 0.1, 600.0, 50), "as `--help` says"
    environ = {"TIDEGATE_LOCK_TIMEOUT": "2s", "TIDEGATE_RETRY_FOR": "1m", "TIDEGATE_RETRY_ATTEMPTS": "7"}
    assert read_pace(environ) == Pace(2.0, 2.0, 60.0, 7)
    assert read_pace(environ, "50ms", "1s", "5s", "1") == Pace(0.05, 1.0, 5.0, 1)


@pytest.mark.parametrize("attempts", ["0", "-1", "many", "1.5"])
def test_a_number_of_attempts_that_is_none_is_refused(attempts: str) -> None:
    with pytest.raises(UsageError, match="no number of attempts"):
        read_pace({}, retry_attempts=attempts)
