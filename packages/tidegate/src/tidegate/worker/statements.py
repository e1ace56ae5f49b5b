"""Every statement of a revision before it is sent: the parent is asked, and says with which settings it goes.

Whatever way it takes: Alembic's operations, `op.execute`, connections that a revision opens for itself, and
cursors of the driver where the driver lets us look (psycopg, psycopg2). The others have at least the lock
timeout that every session begins with. Only the worker imports this.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tidegate.run.journal import COMMITS
from tidegate.worker.dialogue import Answer
from tidegate.worker.sessions import WorkingSession, working_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from tidegate.run.journal import Journal
    from tidegate.worker.dialogue import Dialogue
    from tidegate.worker.hooks import Progress

_FIRST_WORD = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)

READS = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES", "TABLE"})
"""First words of statements that leave nothing behind, unless they call a function that does."""

_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH"})
"""First words of statements that lock rows only; there may be a hundred thousand of them, so nobody is asked."""

_CONTROL = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"})
"""First words of statements that can come when the transaction has failed and takes no other."""

_ENDS = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT"})
"""First words of those that end the transaction, unless it is a matter of savepoints."""

_OF_THE_SESSION = frozenset(
    {"SET", "RESET", "LISTEN", "UNLISTEN", "NOTIFY", "PREPARE", "DEALLOCATE", "DISCARD", "LOAD", "LOCK", "CHECKPOINT"}
)
"""First words of statements that end with the session or the transaction: nothing of them is ever left out."""

_MODIFIES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)

_LOCK_NOT_AVAILABLE = "55P03"
"""SQLSTATE of a lock timeout, and of NOWAIT."""

_OF_THE_AUTHOR = re.compile(r"\b(?:lock_timeout|NOWAIT)\b", re.IGNORECASE)

_DONE_ALREADY = "DO $$BEGIN END$$"
"""What is sent in the place of a statement that is to be skipped."""


class Stopped(BaseException):
    """The parent says that this attempt ends here. No `except Exception` of a revision catches it."""

    def __init__(self, why: str, *, statement: str, is_final: bool = False, sqlstate: str | None = None) -> None:
        super().__init__(why)
        self.statement = statement
        self.is_final = is_final
        self.sqlstate = sqlstate


def watch_statements(progress: Progress, dialogue: Dialogue, journal: Journal) -> None:
    """From now on ask about every statement that this process sends inside a revision."""
    crossing = _Crossing(progress, dialogue, journal)

    @event.listens_for(Engine, "before_cursor_execute", retval=True)
    def _before(connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        session = working_session(connection)
        if session is None:
            return statement, parameters
        in_autocommit = connection._is_autocommit_isolation()  # noqa: SLF001 - `get_isolation_level` does not tell
        plain = _without_doubled_percents(connection, statement)
        sent = crossing.before(session, plain, parameters, in_autocommit=in_autocommit)
        session.is_announced = True
        return (statement, parameters) if sent is plain else (sent, ())

    @event.listens_for(Engine, "after_cursor_execute")
    def _after(connection: Connection, cursor: Any, *_: Any) -> None:
        if (session := working_session(connection)) is not None:
            session.is_announced = False
            crossing.after(session, cursor, in_autocommit=connection._is_autocommit_isolation())  # noqa: SLF001 - as above

    @event.listens_for(Engine, "handle_error", retval=True)
    def _failed(context: Any) -> BaseException | None:
        if context.connection is None or (session := working_session(context.connection)) is None:
            return None
        session.is_announced = False
        crossing.failed(session, in_autocommit=context.connection._is_autocommit_isolation())  # noqa: SLF001 - as above
        return crossing.stop_at(context.original_exception, context.statement)

    _watch_transactions(progress, journal)
    os.register_at_fork(after_in_child=progress.leave)
    WorkingSession.on_raw_statement = staticmethod(crossing.raw)
    progress.when_it_fails = crossing.look_behind_all


def _without_doubled_percents(connection: Connection, statement: str) -> str:
    """The statement as the server gets it: for some drivers SQLAlchemy writes `%%`, and the driver makes `%` of it."""
    is_doubled = connection.dialect.paramstyle in {"format", "pyformat"}
    return statement.replace("%%", "%") if is_doubled else statement


def _watch_transactions(progress: Progress, journal: Journal) -> None:
    @event.listens_for(Engine, "commit")
    def _commit(connection: Connection) -> None:
        session = working_session(connection)
        if session is not None:
            session.has_open = False
        on_record = session is not None and progress.is_inside and journal.commit(session)
        progress.committed(has_written=session is not None and session.has_written, on_record=on_record)

    @event.listens_for(Engine, "rollback")
    def _rollback(connection: Connection) -> None:
        if (session := working_session(connection)) is not None:
            session.has_open = False
            journal.rollback(session)


class _Crossing:
    def __init__(self, progress: Progress, dialogue: Dialogue, journal: Journal) -> None:
        self._progress = progress
        self._dialogue = dialogue
        self._journal = journal
        self._left_out: set[WorkingSession] = set()
        self._sessions: WeakSet[WorkingSession] = WeakSet()
        """Those that had something open once."""
        self._ruled_by_author: str | None = None
        """The revision that has set a lock timeout itself."""

    def before(self, session: WorkingSession, statement: str, parameters: Any, *, in_autocommit: bool) -> str:
        """What is to be sent in its place: usually itself.

        Raises:
            Stopped: Nothing; this attempt is over.
        """
        if not self._progress.is_inside:
            return statement
        self._look_behind(session, statement)
        word = _first_word(statement)
        reads = word in READS or (word == "WITH" and not _MODIFIES.search(statement))
        session.has_written |= not reads
        if word in _CONTROL and not _is_compound(statement):
            self._progress.executing(statement, in_autocommit=in_autocommit, reads=True)
            on_record = self._journal.control(session, statement, word)
            session.has_open &= "SAVEPOINT" in statement.upper() or word not in _ENDS
            if word in COMMITS:
                self._progress.committed(has_written=session.has_written, on_record=on_record)
            return statement
        session.restore()
        stays = not reads and word not in _OF_THE_SESSION
        if stays and not in_autocommit and not session.is_in_autocommit:
            session.transaction = session.transaction if session.has_open else None
            session.has_open = True
            self._sessions.add(session)
        begun = self._journal.recall(statement, parameters) if stays else None
        if begun is not None and begun.is_done:
            self._left_out.add(session)
            return f"SELECT FROM generate_series(1, {begun.rows})" if begun.rows > 0 else _DONE_ALREADY
        self._progress.executing(statement, in_autocommit=in_autocommit, reads=reads)
        only_rows = (reads or word in _WRITES) and not _is_compound(statement)
        answer = (
            self._told(session, statement, reads=reads)
            if only_rows
            else self._cleared(session, statement, in_autocommit)
        )
        if stays:
            self._journal.sending(
                session, statement, parameters, in_autocommit=in_autocommit, answer=answer, begun=begun
            )
        if answer.ends_transaction:
            session.has_open = False
            self._progress.committed(has_written=True, on_record=False)
        return _DONE_ALREADY if answer.verdict == "skip" else statement

    def _look_behind(self, session: WorkingSession, statement: str) -> None:
        """Notice what nobody tells of: the driver's own `commit()`, and that the author sets lock timeouts."""
        if _OF_THE_AUTHOR.search(statement):
            self._ruled_by_author = self._progress.revision
        self._look_at_end(session)

    def look_behind_all(self) -> None:
        """A revision has failed: notice what nobody has told of by now, while its sessions are as it left them."""
        for session in list(self._sessions):
            with suppress(Exception):  # a session that is gone has said so
                self._look_at_end(session)

    def _look_at_end(self, session: WorkingSession) -> None:
        if not (session.has_open and session.is_idle):
            return
        session.has_open = False
        if session.has_committed():
            self._progress.committed(has_written=True, on_record=False)
        else:
            self._journal.rollback(session)

    def _told(self, session: WorkingSession, statement: str, *, reads: bool) -> Answer:
        self._dialogue.emit("statement", sql=statement[:2000], pid=session.pid, reads=reads)
        return Answer("go", is_plain=True)

    def _cleared(self, session: WorkingSession, statement: str, in_autocommit: bool) -> Answer:  # noqa: FBT001 - a fact of the session
        answer = self._dialogue.ask(sql=statement, pid=session.pid, autocommit=in_autocommit)
        if answer.verdict == "stop":
            raise Stopped(answer.why, statement=statement, is_final=answer.is_final)
        session.apply(answer.settings)
        for sql in answer.first:
            session.execute(sql)
        return answer

    def after(self, session: WorkingSession, cursor: Any, *, in_autocommit: bool) -> None:
        if session in self._left_out:
            self._left_out.discard(session)
        elif self._progress.is_inside:
            rows, returned = getattr(cursor, "rowcount", -1), bool(getattr(cursor, "description", None))
            on_record = self._journal.sent(session, rows=rows, returned=returned)
            session.restore()
            session.number_transaction()
            self._progress.executed(in_autocommit=in_autocommit, on_record=on_record)

    def failed(self, session: WorkingSession, *, in_autocommit: bool) -> None:
        """It failed."""
        self._left_out.discard(session)
        if self._progress.is_inside:
            self._progress.emit("failed")
            with suppress(Exception):  # the session may be gone; the error that is under way says so
                self._journal.failed(session, in_autocommit=in_autocommit)

    def stop_at(self, error: BaseException, statement: str | None) -> Stopped | None:
        """What is raised in the place of an error that our lock timeout caused.

        A revision that catches errors ("it is there already") would take it for the one that it expects, and go on
        without what it was to do. An author who uses lock timeouts or NOWAIT knows what comes.
        """
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if not self._progress.is_inside or state != _LOCK_NOT_AVAILABLE or statement is None:
            return None
        if self._ruled_by_author == self._progress.revision or _OF_THE_AUTHOR.search(statement):
            return None
        message = str(error).strip().splitlines()[0] if str(error).strip() else "a lock was not to be had in time"
        return Stopped(message.rpartition(": ")[2], statement=statement, sqlstate=state)

    def raw(
        self, session: WorkingSession, statement: str, parameters: Any, cursor: Any, send: Callable[[str], Any]
    ) -> Any:
        """A statement that a revision gives to a cursor of the driver itself."""
        in_autocommit = session.is_in_autocommit
        sent = self.before(session, statement, parameters, in_autocommit=in_autocommit)
        session.is_announced = True
        try:
            result = send(sent)
        except BaseException as exc:
            self.failed(session, in_autocommit=in_autocommit)
            if (stopped := self.stop_at(exc, statement)) is not None:
                raise stopped from exc
            raise
        finally:
            session.is_announced = False
        self.after(session, cursor, in_autocommit=in_autocommit)
        return result


def _first_word(statement: str) -> str:
    found = _FIRST_WORD.match(statement)
    return found.group(1).upper() if found else ""


def _is_compound(statement: str) -> bool:
    """Whether there may be a second statement in it."""
    return ";" in statement.rstrip().rstrip(";")
