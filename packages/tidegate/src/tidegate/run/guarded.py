"""The guarded run: wait, lock, look again, migrate in a worker, verify from a fresh connection, record."""

from __future__ import annotations

import os
import pwd
import random
import sys
import time

import psycopg2

from tidegate.database.answer import HeldUp
from tidegate.database.asking import ANSWER_WITHIN_S
from tidegate.database.connect import backend_pid, connected, refuse_pooler
from tidegate.database.keepalive import watch_client
from tidegate.database.lock import acquire, wait_for_fence
from tidegate.database.look import look
from tidegate.database.record import Ending, NewRun, begin_run, finish_run, runs
from tidegate.database.record_layout import ensure_record
from tidegate.errors import DatabaseRefused, DatabaseUnreachable, Interrupted
from tidegate.run import failure
from tidegate.run.attempts import run_attempts
from tidegate.run.before import run_before
from tidegate.run.clearance import Clearance
from tidegate.run.order import Order
from tidegate.run.pace import Patience
from tidegate.run.request import is_done
from tidegate.run.supervise import Account, Supervisor
from tidegate.version import application_version, tidegate_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.database.answer import Session
    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement
    from tidegate.run.request import Request
    from tidegate.run.signals import Signals


VERIFY_WAIT_S = 10.0
"""How long the database may be away when a run has ended: in that time a server restarts."""

HURRIED_S = 2.0
"""What the server gets for an answer once we were told to stop: `docker stop` kills after ten seconds in all."""


class Run:
    """One run on one control connection, from the lock to the record of how it ended."""

    def __init__(
        self,
        request: Request,
        graph: Graph,
        control: Session,
        *,
        tell: Callable[[str], None],
        signals: Signals,
        enter: Callable[..., None] = lambda *_: None,
    ) -> None:
        self._request = request
        self._graph = graph
        self._control = control
        self._tell = tell
        self._signals = signals
        self._enter = enter
        self._is_pooled = False
        self._is_out_of_reach = False
        self._account = Account()
        patience = Patience(request.pace, clock=time.monotonic, chance=random.random)
        self._clearance = Clearance(control, patience=patience, tell=tell)

    def execute(self) -> Judgement:
        """The state after it; another run may have done the work while this one waited.

        Raises:
            TidegateError: As its subclasses say.
        """
        self._is_pooled = refuse_pooler(self._control, self._request.database)
        watch_client(self._control)
        self._enter("waiting for the lock")
        held = acquire(
            self._control,
            wait_s=self._request.lock_wait_s,
            nothing_left=self._is_nothing_left,
            tell=self._tell,
            check=self._signals.check,
        )
        if not held:
            self._tell("another run has migrated meanwhile; nothing left to do")
            return self._look()
        before = self._look()
        if self._is_done(before):  # the other run ended between the last look and our lock
            return before
        if self._request.direction == "downgrade" and not self._request.is_confirmed:
            from tidegate.run.confirmation import refuse_loss

            refuse_loss(self._control, self._request, before.current)
        ensure_record(self._control)
        run_id = begin_run(self._control, self._new_run(before))
        return self._recorded(run_id, before)

    def _recorded(self, run_id: int, before: Judgement) -> Judgement:
        self._control.check = self._hurry  # type: ignore[method-assign]  # from here on a stop goes in order
        try:
            if self._request.before is not None:
                self._enter("running the command before the migration")
                run_before(self._control, run_id, self._request, tell=self._tell, signals=self._signals)
            self._enter("migrating", lambda: self._account.at_work)
            self._attempts(run_id)
            self._enter("verifying")
            after = self._verified(self._account)
            failure.raise_for(
                self._account,
                self._request,
                before=before,
                after=after,
                signum=self._signals.received,
                clearance=self._clearance,
            )
        except BaseException as exc:
            self._finish(run_id, outcome=failure.outcome_of(exc), error=str(exc))
            raise
        self._finish(run_id, outcome="succeeded", error=None)
        return after

    def _hurry(self) -> None:
        if self._signals.received is not None:
            self._control.answer_within_s = HURRIED_S

    def _attempts(self, run_id: int) -> None:
        previous = [run for run in runs(self._control, 2) if run.id != run_id]
        self._clearance.is_repetition = bool(previous) and previous[0].outcome != "succeeded"
        run_attempts(
            self._attempt,
            self._order(run_id),
            control=self._control,
            clearance=self._clearance,
            tell=self._tell,
            check=self._signals.check,
        )

    def _attempt(self, order: Order) -> Account:
        supervisor = Supervisor(self._control, clearance=self._clearance, tell=self._tell, signals=self._signals)
        self._account = supervisor.account
        return supervisor.run(order)

    def _look(self) -> Judgement:
        return look(self._control, self._graph, self._request.project.version_table)

    def _is_nothing_left(self) -> bool:
        try:
            return self._is_done(self._look())
        except HeldUp:  # who migrates now has locked the version table, as some projects' `env.py` does
            return False

    def _is_done(self, now: Judgement) -> bool:
        return is_done(self._request, self._graph, now)

    def _verified(self, account: Account) -> Judgement:
        """What a fresh connection sees, once nothing of the worker is left on the server."""
        table = account.version_table or self._request.project.version_table
        is_hurried = self._signals.received is not None
        try:
            with connected(
                self._request.database,
                wait_s=HURRIED_S if is_hurried else VERIFY_WAIT_S,
                purpose="verify",
                check=(lambda: None) if is_hurried else self._signals.check,
                answer_within_s=HURRIED_S if is_hurried else ANSWER_WITHIN_S,
            ) as fresh:
                wait_for_fence(fresh)
                return look(fresh, self._graph, table)
        except (psycopg2.Error, DatabaseUnreachable, DatabaseRefused, Interrupted) as exc:
            self._is_out_of_reach = True
            raise failure.unverified(account, self._request, exc, signum=self._signals.received) from exc

    def _finish(self, run_id: int, *, outcome: str, error: str | None) -> None:
        """Write the end down, on a new connection; where none is to be had, the next run notes how this one ended."""
        if self._is_out_of_reach:
            return
        account, attempts = self._account, self._clearance.patience.attempt
        try:
            with connected(self._request.database, wait_s=5, purpose="record") as connection:
                at = look(connection, self._graph, account.version_table or self._request.project.version_table)
                text = self._request.database.redact(error) if error else None
                finish_run(connection, run_id, Ending(outcome, list(at.current), account.version_table, text, attempts))
        except Exception as exc:  # noqa: BLE001 - the run's own outcome must not be hidden by this
            self._tell(f"could not write the end of run {run_id} down: {self._request.database.redact(str(exc))}")

    def _order(self, run_id: int) -> Order:
        request = self._request
        return Order(
            config_file=request.project.config_file,
            toml_file=request.project.toml_file,
            section=request.project.section,
            options=dict(request.project.options),
            sqlalchemy_url=request.worker_url,
            direction=request.direction,
            target=request.target,
            run_id=run_id,
            control_pid=backend_pid(self._control),
            is_pooled=self._is_pooled,
            lock_timeout_s=request.pace.lock_timeout_s,
            events_fd=-1,
            answers_fd=-1,
            parent_pid=os.getpid(),
            sys_path=[os.path.abspath(folder) for folder in sys.path if folder],
            x_arguments=list(request.x_arguments),
            tag=request.tag,
        )

    def _new_run(self, before: Judgement) -> NewRun:
        return NewRun(
            command=self._request.command,
            who=user_name(),
            host=os.uname().nodename,
            pid=os.getpid(),
            application_version=application_version(self._request.project),
            tidegate_version=tidegate_version(),
            from_revisions=list(before.current),
        )


def user_name() -> str:
    """Who runs this, for the record."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return f"uid {os.getuid()}"
