"""How often a revision is tried, and with what: attempts that end as the test says, on a real server."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest
from application import holding
from bench import ALTER, Bench, bench

from tidegate.run import attempts as module
from tidegate.run.attempts import run_attempts
from tidegate.run.order import Order
from tidegate.run.pace import Pace
from tidegate.run.supervise import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from projects import Project

pytestmark = pytest.mark.deep

LOCKED: dict[str, object] = {"kind": "database", "sqlstate": "55P03", "revision": "b", "message": "lock timeout"}


def attempts(
    at: Bench, *errors: dict[str, object] | None, target: str = "head", **first: object
) -> tuple[Account, list[Order]]:
    """Carry out attempts that end with these errors; the first has applied one of four revisions."""
    at.leave()
    orders: list[Order] = []
    left = list(errors)

    def work(order: Order) -> Account:
        orders.append(order)
        account = Account()
        account.plan = ["a", "b", "c", "d"] if len(orders) == 1 else ["b", "c", "d"]
        account.applied = ["a"] if len(orders) == 1 else []
        account.error = left.pop(0)
        for name, value in first.items():
            setattr(account, name, value)
        return account

    return _run(at, work, target=target), orders


def _run(
    at: Bench, work: Callable[[Order], Account], *, target: str = "head", check: Callable[[], None] = lambda: None
) -> Account:
    order = Order._make([None] * len(Order._fields))._replace(target=target, lock_timeout_s=0.1)
    return run_attempts(work, order, control=at.control, clearance=at.clearance, tell=at.told.append, check=check)


class Clock:
    """Only sleeping turns it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 60, "it waits for ever"


def _fails(_: Order) -> Account:
    account = Account()
    account.error = dict(LOCKED)
    return account


@pytest.mark.parametrize(
    ("target", "rest"), [("head", "head"), ("+4", "+3"), ("-4", "-3"), ("x@+4", "x@+3"), ("ae10+4", "ae10+4")]
)
def test_a_second_attempt_has_what_the_first_one_left(accounts: Project, target: str, rest: str) -> None:
    with bench(accounts, Pace(lock_timeout_max_s=1.0)) as at:
        account, orders = attempts(at, LOCKED, None, target=target)
        assert [order.target for order in orders] == [target, rest]
        assert orders[1].lock_timeout_s == pytest.approx(0.15)
        assert (account.plan, account.applied, account.attempts) == (["a", "b", "c", "d"], ["a"], 2)
        assert not account.gave_up
        assert at.told == ["    b was rolled back: lock timeout", "    attempt 2"]


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (None, 1),
        (LOCKED, 2),
        (LOCKED | {"sqlstate": "40P01"}, 2),
        (LOCKED | {"sqlstate": "40001"}, 2),
        (LOCKED | {"sqlstate": "23505"}, 1),
        (LOCKED | {"kind": "python"}, 1),
        (LOCKED | {"kind": "alembic"}, 1),
        (LOCKED | {"kind": "worker"}, 1),
        (LOCKED | {"kind": "stopped", "sqlstate": None, "is_final": False}, 2),
        (LOCKED | {"kind": "stopped", "sqlstate": None, "is_final": True}, 1),
    ],
)
def test_only_what_passes_is_tried_again(accounts: Project, error: dict[str, object] | None, times: int) -> None:
    with bench(accounts) as at:
        account, orders = attempts(at, error, None)
        assert len(orders) == times
        assert account.gave_up is bool(error and error.get("is_final"))


def test_what_is_lost_refused_or_committed_is_not_tried_again(accounts: Project) -> None:
    with bench(accounts) as at:
        assert len(attempts(at, LOCKED, None, lost_control=True)[1]) == 1
        at.clearance.trace.sending("INSERT", is_repeatable=False)
        at.clearance.trace.executed(autocommit=True)
        assert len(attempts(at, LOCKED, None)[1]) == 1
        at.clearance.begin_revision()
        assert len(attempts(at, LOCKED, None)[1]) == 2
        accounts.query("CREATE INDEX i ON account (n)")
        at.ask("CREATE INDEX CONCURRENTLY i ON account (id)", autocommit=True)
        assert len(attempts(at, LOCKED, None)[1]) == 1


def test_the_budget_ends_the_attempts_by_number_and_by_time(accounts: Project) -> None:
    with bench(accounts, Pace(retry_attempts=2)) as at:
        account, orders = attempts(at, LOCKED, LOCKED)
        assert (len(orders), account.gave_up, account.attempts) == (2, True, 2)
    with bench(accounts, Pace(retry_for_s=0)) as at:
        account, orders = attempts(at, LOCKED)
        assert (len(orders), account.gave_up) == (1, True)


def test_between_attempts_is_a_pause_that_grows_though_nobody_is_in_the_way(
    accounts: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, began = Clock(), list[float]()
    monkeypatch.setattr(module, "time", clock)

    def work(order: Order) -> Account:
        began.append(clock.now)
        return _fails(order)

    with bench(accounts, Pace(retry_attempts=7)) as at:
        at.leave()
        assert _run(at, work).gave_up
    pauses = [later - sooner for sooner, later in itertools.pairwise(began)]
    for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.4, 0.8, 1.6), strict=True):
        assert least <= pause < least + 0.11


def test_between_attempts_it_is_waited_until_nobody_is_in_the_way(accounts: Project) -> None:
    with bench(accounts, Pace(retry_for_s=10)) as at:
        at.ask(ALTER)
        at.leave()
        asked: list[float] = []
        with holding(accounts) as pid:
            time.sleep(0.15)

            def check() -> None:
                asked.append(at.now)
                at.now += 1

            account = _run(at, _fails, check=check)
        assert account.gave_up
        assert len(asked) == 10
        assert any(f"pid {pid} " in line for line in at.told)
