"""Every statement of a revision before it is sent: the parent is asked, and says with which settings it goes.

Whatever way it takes: Alembic's operations, `op.execute`, connections that a revision opens for itself, and
cursors of the driver where the driver lets us look (psycopg, psycopg2). The others have at least the lock
timeout that every session begins with. Only the worker imports this.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tidegate.dialogue import Answer
from tidegate.journal import COMMITS
from tidegate.sessions import WorkingSession, working_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from tidegate.dialogue import Dialogue
    from tidegate.hooks import Progress
    from tidegate.journal import Journal

_FIRST_WORD = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)

READS = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES", "TABLE"})
"""First words of statements that leave nothing behind, unless they call a function that does."""

_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH"})
"""First words of statements that lock rows only; there may be a hundred thousand of them, so nobody is asked."""

_CONTROL = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"})
"""First words of statements that can come when the transaction has failed and takes no other."""

_OF_THE_SESSION = frozenset(
    {"SET", "RESET", "LISTEN", "UNLISTEN", "NOTIFY", "PREPARE", "DEALLOCATE", "DISCARD", "LOAD", "LOCK", "CHECKPOINT"}
)
"""First words of statements that end with the session or the transaction: nothing of them is ever left out."""

_MODIFIES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)

_DONE_ALREADY = "DO $$BEGIN END$$"
"""What is sent in the place of a statement that is to be skipped."""


class Stopped(BaseException):
    """The parent says that this attempt ends here. No `except Exception` of a revision catches it."""

    def __init__(self, why: str, *, statement: str, is_final: bool) -> None:
        super().__init__(why)
        self.statement = statement
        self.is_final = is_final


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

    @event.listens_for(Engine, "handle_error")
    def _failed(context: Any) -> None:
        if context.connection is not None and (session := working_session(context.connection)) is not None:
            session.is_announced = False
            crossing.failed(session, in_autocommit=context.connection._is_autocommit_isolation())  # noqa: SLF001 - as above

    _watch_transactions(progress, journal)
    WorkingSession.on_raw_statement = staticmethod(crossing.raw)


def _without_doubled_percents(connection: Connection, statement: str) -> str:
    """The statement as the server gets it: for some drivers SQLAlchemy writes `%%`, and the driver makes `%` of it."""
    is_doubled = connection.dialect.paramstyle in {"format", "pyformat"}
    return statement.replace("%%", "%") if is_doubled else statement


def _watch_transactions(progress: Progress, journal: Journal) -> None:
    @event.listens_for(Engine, "commit")
    def _commit(connection: Connection) -> None:
        session = working_session(connection)
        on_record = session is not None and progress.is_inside and journal.commit(session)
        progress.committed(has_written=session is not None and session.has_written, on_record=on_record)

    @event.listens_for(Engine, "rollback")
    def _rollback(connection: Connection) -> None:
        if (session := working_session(connection)) is not None:
            journal.rollback(session)


class _Crossing:
    def __init__(self, progress: Progress, dialogue: Dialogue, journal: Journal) -> None:
        self._progress = progress
        self._dialogue = dialogue
        self._journal = journal
        self._left_out: set[WorkingSession] = set()

    def before(self, session: WorkingSession, statement: str, parameters: Any, *, in_autocommit: bool) -> str:
        """What is to be sent in its place: usually itself.

        Raises:
            Stopped: Nothing; this attempt is over.
        """
        if not self._progress.is_inside:
            return statement
        word = _first_word(statement)
        reads = word in READS or (word == "WITH" and not _MODIFIES.search(statement))
        session.has_written |= not reads
        if word in _CONTROL and not _is_compound(statement):
            self._progress.executing(statement, in_autocommit=in_autocommit, reads=True)
            on_record = self._journal.control(session, statement, word)
            if word in COMMITS:
                self._progress.committed(has_written=session.has_written, on_record=on_record)
            return statement
        session.restore()
        stays = not reads and word not in _OF_THE_SESSION
        begun = self._journal.recall(statement, parameters) if stays else None
        if begun is not None and begun.is_done:
            self._left_out.add(session)
            return f"SELECT FROM generate_series(1, {begun.rows})" if begun.rows > 0 else _DONE_ALREADY
        self._progress.executing(statement, in_autocommit=in_autocommit, reads=reads)
        only_rows = (reads or word in _WRITES) and not _is_compound(statement)
        answer = self._told(statement, reads=reads) if only_rows else self._cleared(session, statement, in_autocommit)
        if stays:
            self._journal.sending(
                session, statement, parameters, in_autocommit=in_autocommit, answer=answer, begun=begun
            )
        if answer.ends_transaction:
            self._progress.committed(has_written=True, on_record=False)
        return _DONE_ALREADY if answer.verdict == "skip" else statement

    def _told(self, statement: str, *, reads: bool) -> Answer:
        self._dialogue.emit("statement", sql=statement[:2000], reads=reads)
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
            self._progress.executed(in_autocommit=in_autocommit, on_record=on_record)

    def failed(self, session: WorkingSession, *, in_autocommit: bool) -> None:
        """It failed."""
        self._left_out.discard(session)
        if self._progress.is_inside:
            with suppress(Exception):  # the session may be gone; the error that is under way says so
                self._journal.failed(session, in_autocommit=in_autocommit)

    def raw(
        self, session: WorkingSession, statement: str, parameters: Any, cursor: Any, send: Callable[[str], Any]
    ) -> Any:
        """A statement that a revision gives to a cursor of the driver itself."""
        in_autocommit = session.is_in_autocommit
        sent = self.before(session, statement, parameters, in_autocommit=in_autocommit)
        session.is_announced = True
        try:
            result = send(sent)
        except BaseException:
            self.failed(session, in_autocommit=in_autocommit)
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
