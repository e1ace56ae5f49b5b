"""As many attempts as it takes: a revision that did not get its locks in time is rolled back and begun anew."""

from __future__ import annotations

import re
import time

from tidegate.database.lock import wait_for_fence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.run.clearance import Clearance
    from tidegate.run.order import Order
    from tidegate.run.supervise import Account

PASSES = frozenset({"55P03", "40P01", "40001"})
"""SQLSTATEs that another attempt may not meet: lock not available, deadlock detected, serialization failure."""

TICK_S = 0.1
"""How often it is looked whether the way is clear."""

_RELATIVE = re.compile(r"(?P<branch>.*@)?(?P<sign>[+-])\d+")


def run_attempts(
    work: Callable[[Order], Account],
    order: Order,
    *,
    control: Connection,
    clearance: Clearance,
    tell: Callable[[str], None],
    check: Callable[[], None],
) -> Account:
    """The account of the last attempt, with what those before it applied.

    Args:
        work: One attempt: a worker from its start to its end.
        check: Called while waiting; may raise, as when a signal came.
    """
    patience = clearance.patience
    plan: list[str] = []
    applied: list[str] = []
    while True:
        account = work(order)
        plan = plan or account.plan
        applied += account.applied
        account.plan, account.applied, account.attempts = plan, applied, patience.attempt
        if not _passes(account) or clearance.refusal or not clearance.trace.can_be_repeated:
            return account
        patience.begin_waiting()
        if account.stopped_for_good or not patience.may_try_again:
            account.gave_up = True
            return account
        _tell_why(account, clearance, tell)
        _wait(control, clearance, check)
        if patience.time_is_up:
            account.gave_up = True
            return account
        tell(f"    attempt {patience.next_attempt()}")
        order = order._replace(
            target=_rest(order, plan, applied), lock_timeout_s=patience.pace.timeout_s(patience.attempt)
        )


def _passes(account: Account) -> bool:
    error = account.error
    if error is None or account.lost_control:
        return False
    return error["kind"] == "stopped" or (error["kind"] == "database" and error["sqlstate"] in PASSES)


def _tell_why(account: Account, clearance: Clearance, tell: Callable[[str], None]) -> None:
    error = account.error or {}
    tell(f"    {error['revision'] or 'a statement'} was rolled back: {error['message']}")
    for blocker in clearance.blockers:
        tell(f"      {blocker}")


def _wait(control: Connection, clearance: Clearance, check: Callable[[], None]) -> None:
    """A pause at least; then until nobody is in the way or the time is spent."""
    wait_for_fence(control)  # what the last attempt left must not be in the way of the next
    until = time.monotonic() + clearance.patience.pause_s()
    while not clearance.patience.time_is_up:
        check()
        if time.monotonic() >= until and clearance.is_clear():
            return
        time.sleep(TICK_S)


def _rest(order: Order, plan: list[str], applied: list[str]) -> str:
    """The target of the next attempt: `+2` means one less once one is applied."""
    found = _RELATIVE.fullmatch(order.target)
    if found is None:
        return order.target
    return f"{found['branch'] or ''}{found['sign']}{len(plan) - len(applied)}"
