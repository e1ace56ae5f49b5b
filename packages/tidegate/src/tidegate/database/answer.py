"""The server's answers: waited for in bounded time, and with an ear for signals meanwhile.

libpq waits for an answer without a bound and does not let Python handle a signal meanwhile: a server that hangs (a
stopped process, a frozen disk, a proxy that swallows) would make us deaf to SIGTERM. TCP's own timeouts do not help
there, since the machine still acknowledges every packet. So what may block does so in a thread, and we wait for that.

A global wait callback of psycopg2 would do the same, and change the host's connections with ours.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg2
from psycopg2 import extensions

from tidegate.database.asking import ANSWER_WITHIN_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S = 0.05
"""How soon a signal is acted on."""

CUT_WITHIN_S = 1.0
"""How long a thread gets to notice that its connection was cut."""


class NoAnswer(psycopg2.OperationalError):
    """The server did not answer in time. The connection was cut."""


class HeldUp(psycopg2.OperationalError):
    """The server lives, but somebody has locked what was asked for. The connection can still be used."""


class Session(extensions.connection):
    """A connection that gets each answer in time, or an error."""

    answer_within_s: float | None = ANSWER_WITHIN_S
    """Nothing: as long as it takes. May be changed while an answer is being waited for."""

    held_up = HeldUp
    failures = (psycopg2.Error,)

    def check(self) -> None:
        """Called again and again while an answer is being waited for; may raise, and then the connection is cut."""


class Cursor(extensions.cursor):
    """A cursor of such a connection."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 has it
        """Execute, and wait for the answer.

        Raises:
            NoAnswer: There was none in time.
        """
        session = self.connection
        if not isinstance(session, Session) or session.answer_within_s is None:
            super().execute(query, vars)
            return
        execute = super().execute
        _Asked(session, lambda: execute(query, vars)).wait()


class Call:
    """A call that blocks, in a thread of its own. Nobody needs to wait for its end."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name="tidegate-asks", daemon=True)
        self._thread.start()

    def ends_within(self, seconds: float) -> bool:
        """Whether it has ended. Signals are handled meanwhile, though not by what this calls."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as exc:  # noqa: BLE001 - raised where it is waited for
            self.error = exc


def result_of(work: Callable[[], Any], *, check: Callable[[], None]) -> Any:
    """What a call gives that ends by itself, unless the check raises before that; then the call is left alone."""
    call = Call(work)
    while not call.ends_within(TICK_S):
        check()
    if call.error is not None:
        raise call.error
    return call.result


class _Asked:
    """A statement that was sent, and whose answer has not come yet."""

    def __init__(self, session: Session, execute: Callable[[], None]) -> None:
        self._session = session
        self._call = Call(execute)
        self._began = time.monotonic()

    def wait(self) -> None:
        try:
            while not self._call.ends_within(TICK_S):
                self._session.check()
                self._refuse_lateness()
        except BaseException:
            _cut(self._session)
            self._call.ends_within(CUT_WITHIN_S)  # it has the connection, and closing that would wait for it
            raise
        if self._call.error is not None:
            raise self._call.error

    def _refuse_lateness(self) -> None:
        bound = self._session.answer_within_s
        if bound is not None and time.monotonic() - self._began > bound:
            raise NoAnswer(f"no answer within {bound:.0f} s: the server hangs")


def _cut(session: Session) -> None:
    """Without a word to the server. The thread that waits for an answer has the connection; only its socket is ours."""
    with suppress(OSError, psycopg2.Error):
        borrowed = socket.socket(fileno=session.fileno())
        try:
            borrowed.shutdown(socket.SHUT_RDWR)
        finally:
            borrowed.detach()
