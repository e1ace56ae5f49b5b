"""The parent's side of a worker: start it, hear it, see that the lock lives, and stop it in order."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time

import psycopg2

from tidegate.database.asking import fetch_one
from tidegate.database.blockers import blockers_of
from tidegate.database.url import redact
from tidegate.index.verdict import build_progress
from tidegate.report.duration import show_duration
from tidegate.run.clearance import Question
from tidegate.run.order import VARIABLE, Order
from tidegate.sql.effects import read_statements
from tidegate.worker.dialogue import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.run.clearance import Clearance
    from tidegate.run.signals import Signals

TICK_S = 0.2
"""How soon a signal is acted on."""

QUESTION_TICK_S = 0.1
"""How often a statement's way is looked at while somebody is in it."""

MISSING_PINGS = 5
"""How often in a row the working session may be missing on the server while its statement is still being waited for."""

WATCH_TICK_S = 0.02
"""How often it is looked whom a statement waits for, as long as it may be waiting for a lock."""

WATCH_FOR_S = 1.0
"""How long after a statement was sent."""

PING_EVERY_S = 1.0
"""How soon the loss of the control connection, and with it of the mutex, is noticed."""

REPORT_EVERY_S = 10.0
"""How often a long statement is reported, with whom it waits for."""

STOP_TIMEOUT_S = 5.0
"""How long a worker gets to roll back after its statement was cancelled, before it is killed."""


class Account:
    """What a worker did, as far as it could tell."""

    def __init__(self) -> None:
        self.plan: list[str] = []
        self.applied: list[str] = []
        self.version_table: str | None = None
        self.error: dict[str, Any] | None = None
        self.lost_control = False
        self.lost_worker = False
        """The server no longer has the session that the worker waits for."""
        self.exit_code: int | None = None
        self.attempts = 1
        self.gave_up = False
        """The budget for locks is spent."""
        self.is_done = False
        """The worker came to its end, and did not leave in the middle of its work."""
        self.statement: str | None = None
        """What it was at, or had done last, without its passwords."""

    @property
    def at_work(self) -> str | None:
        """The revision that the worker has reached, as far as it told."""
        return next((id_ for id_ in self.plan if id_ not in self.applied), None)

    @property
    def stopped_for_good(self) -> bool:
        """Whether the run itself stopped the revision, for the whole run."""
        return bool(self.error and self.error.get("is_final"))


class Supervisor:
    """One worker and the connection that holds the lock for it."""

    def __init__(
        self, control: Connection, *, clearance: Clearance, tell: Callable[[str], None], signals: Signals
    ) -> None:
        self.account = Account()
        self._control = control
        self._clearance = clearance
        self._question: Question | None = None
        self._answers = -1
        self._missing_pings = 0
        self._watched = 0.0
        self._phase: str | None = None
        self._tell = tell
        self._signals = signals
        self._backend_pid: int | None = None
        self._statement: str | None = None
        self._statement_began = self._reported = time.monotonic()
        self._stopping_since: float | None = None
        self._buffer = b""

    def run(self, order: Order) -> Account:
        """Start the worker and stay until it has ended."""
        events, events_fd = os.pipe()
        answers_fd, self._answers = os.pipe()
        order = order._replace(events_fd=events_fd, answers_fd=answers_fd, parent_pid=os.getpid())
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tidegate.worker"],
            env={**os.environ, VARIABLE: order.to_json(), "PYTHONUNBUFFERED": "1"},
            pass_fds=(events_fd, answers_fd),
            stdin=subprocess.DEVNULL,
            stdout=2,  # what an env.py prints is progress; our stdout is for the result
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop the worker in order
        )
        try:
            os.close(events_fd)
            os.close(answers_fd)
            read_statements("SELECT 1")  # loads the parser (0.2 s) while the worker loads Alembic
            self._follow(events, process)
        finally:
            os.close(events)
            os.close(self._answers)
            if process.poll() is None:
                process.kill()
            self.account.exit_code = process.wait()
        return self.account

    def _follow(self, events: int, process: subprocess.Popen[bytes]) -> None:
        pinged = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(events, selectors.EVENT_READ)
            while True:
                has_ended = process.poll() is not None
                has_news = bool(selector.select(0 if has_ended else self._tick_s()))
                if (has_news and not self._read(events)) or (has_ended and not has_news):
                    break
                now = time.monotonic()
                if self._signals.received is not None:
                    self._stop(process, now)
                try:
                    self._attend()
                    if now - pinged >= PING_EVERY_S:
                        pinged = now
                        self._ping()
                        self._report_statement(now)
                except psycopg2.Error:
                    self.account.lost_control = True
                if self.account.lost_control or self.account.lost_worker:
                    process.kill()
        process.wait()

    def _ping(self) -> None:
        """See that the control connection lives, and that the session which executes a statement is still there."""
        (is_there,) = fetch_one(
            self._control, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", (self._backend_pid or 0,)
        )
        is_missing = not is_there and self._statement is not None and self._backend_pid is not None
        self._missing_pings = self._missing_pings + 1 if is_missing else 0
        self.account.lost_worker = self._missing_pings >= MISSING_PINGS

    def _tick_s(self) -> float:
        if self._question is not None:
            return QUESTION_TICK_S
        return WATCH_TICK_S if self._is_watching() else TICK_S

    def _is_watching(self) -> bool:
        return self._statement is not None and time.monotonic() - self._statement_began < WATCH_FOR_S

    def _attend(self) -> None:
        """Answer the worker's question if there is one, else see whom its statement waits for."""
        if self._question is None:
            now = time.monotonic()
            if self._is_watching() and self._backend_pid is not None and now - self._watched >= WATCH_TICK_S:
                self._watched = now  # a revision may send thousands of statements a second
                self._clearance.watch(self._backend_pid)
            return
        answer = self._clearance.consider(self._question)
        if answer is not None:
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        self._question = None
        self._statement_began = self._reported = time.monotonic()
        try:
            os.write(self._answers, answer.to_json().encode() + b"\n")
        except BrokenPipeError:
            return  # the worker is dead; the loop sees that next

    def _read(self, events: int) -> bool:
        chunk = os.read(events, 65536)
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            fact = json.loads(line)
            getattr(self, f"_on_{fact.pop('event')}")(**fact)
        return bool(chunk)

    def _on_connected(self, pid: int, search_path: list[str]) -> None:
        self._backend_pid = pid
        self._clearance.begin_session(search_path)

    def _on_configured(self, version_table: str) -> None:
        self.account.version_table = version_table

    def _on_plan(self, steps: list[str]) -> None:
        self.account.plan = steps

    def _on_revision(self, id: str, number: int, of: int, title: str) -> None:  # noqa: A002 - the worker's word
        self._clearance.begin_revision()
        self._tell(f"[{number}/{of}] {id}{': ' + title.splitlines()[0] if title else ''}")

    def _on_question(self, sql: str, pid: int, autocommit: bool) -> None:  # noqa: FBT001 - the worker's word
        self._backend_pid = pid
        self._question = Question(sql, pid, autocommit)
        self._begin_statement(sql)

    def _on_statement(self, sql: str, pid: int, reads: bool) -> None:  # noqa: FBT001 - the worker's word
        self._backend_pid = pid
        if not reads:
            self._clearance.trace.sending(sql, is_repeatable=False)
        self._begin_statement(sql)

    def _begin_statement(self, sql: str) -> None:
        self._phase = None
        self._statement = self.account.statement = redact(" ".join(sql.split()))
        self._statement_began = self._reported = time.monotonic()

    def _on_resumed(self, steps: int) -> None:
        self._tell(f"    {steps} of its statements were committed before and are left out")

    def _on_executed(self, autocommit: bool, on_record: bool) -> None:  # noqa: FBT001 - the worker's words
        self._statement = None
        self._clearance.trace.executed(autocommit=autocommit, on_record=on_record)

    def _on_failed(self) -> None:
        self._statement = None

    def _on_committed(self, on_record: bool) -> None:  # noqa: FBT001 - the worker's word
        self._clearance.trace.commit(on_record=on_record)

    def _on_applied(self, id: str, ms: int) -> None:  # noqa: A002 - the worker's word
        self.account.applied.append(id)
        self._statement = None
        self._clearance.forget_wants()
        self._tell(f"    {id} done in {show_duration(ms / 1000)}")

    def _on_error(self, **facts: Any) -> None:
        self.account.error = facts

    def _on_done(self) -> None:
        self._statement = None
        self.account.is_done = True

    def _report_statement(self, now: float) -> None:
        if self._statement is None or self._question is not None:
            return
        if self._clearance.runs_alone and self._report_build(now):
            return
        if now - self._reported < REPORT_EVERY_S:
            return
        self._reported = now
        self._tell(f"    still running after {show_duration(now - self._statement_began)}: {self._statement[:100]}")
        for blocker in blockers_of(self._control, self._backend_pid or 0):
            self._tell(f"      waits for {blocker}")

    def _report_build(self, now: float) -> bool:
        """Tell how far an index is, at each new phase and every so often. Whether there was anything to tell of."""
        progress = build_progress(self._control, self._backend_pid or 0)
        if progress is None:
            return False
        if progress.phase != self._phase or now - self._reported >= REPORT_EVERY_S:
            self._phase, self._reported = progress.phase, now
            self._tell(f"    building for {show_duration(now - self._statement_began)}: {progress}")
        return True

    def _stop(self, process: subprocess.Popen[bytes], now: float) -> None:
        """Cancel the statement on the server; the worker then rolls back and ends by itself."""
        if self._stopping_since is None:
            self._stopping_since = now
            self._tell("stopping: cancelling the statement on the server")
            if self._question is not None:
                self._answer(Answer("stop", why="the run was told to stop", is_final=True))
        if now - self._stopping_since > STOP_TIMEOUT_S:
            process.kill()
        elif self._backend_pid is not None:
            try:
                fetch_one(self._control, "SELECT pg_cancel_backend(%s)", (self._backend_pid,))
            except psycopg2.Error:
                process.kill()
        else:
            process.kill()  # it has not connected yet: nothing to roll back
