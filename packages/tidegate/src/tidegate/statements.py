"""Every statement of a revision before it is sent: the parent is asked, and says with which settings it goes.

Whatever way it takes: Alembic's operations, `op.execute`, connections that a revision opens for itself, and
cursors of the driver where the driver lets us look (psycopg, psycopg2). The others have at least the lock
timeout that every session begins with. Only the worker imports this.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tidegate.sessions import WorkingSession, working_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from tidegate.dialogue import Dialogue
    from tidegate.hooks import Progress

_FIRST_WORD = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)

READS = frozenset({"SELECT", "SHOW", "EXPLAIN", "VALUES", "TABLE"})
"""First words of statements that leave nothing behind, unless they call a function that does."""

_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH"})
"""First words of statements that lock rows only; there may be a hundred thousand of them, so nobody is asked."""

_CONTROL = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"})
"""First words of statements that can come when the transaction has failed and takes no other."""

_DONE_ALREADY = "DO $$BEGIN END$$"
"""What is sent in the place of a statement that is to be skipped."""


class Stopped(BaseException):
    """The parent says that this attempt ends here. No `except Exception` of a revision catches it."""

    def __init__(self, why: str, *, statement: str, is_final: bool) -> None:
        super().__init__(why)
        self.statement = statement
        self.is_final = is_final


def watch_statements(progress: Progress, dialogue: Dialogue) -> None:
    """From now on ask about every statement that this process sends inside a revision."""
    crossing = _Crossing(progress, dialogue)

    @event.listens_for(Engine, "before_cursor_execute", retval=True)
    def _before(connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        session = working_session(connection)
        if session is None:
            return statement, parameters
        in_autocommit = connection._is_autocommit_isolation()  # noqa: SLF001 - `get_isolation_level` does not tell
        plain = _without_doubled_percents(connection, statement)
        sent = crossing.before(session, plain, in_autocommit=in_autocommit)
        session.is_announced = True
        return (statement, parameters) if sent is plain else (sent, ())

    @event.listens_for(Engine, "after_cursor_execute")
    def _after(connection: Connection, *_: Any) -> None:
        if (session := working_session(connection)) is not None:
            session.is_announced = False
            crossing.after(session, in_autocommit=connection._is_autocommit_isolation())  # noqa: SLF001 - as above

    @event.listens_for(Engine, "handle_error")
    def _failed(context: Any) -> None:
        if context.connection is not None and (session := working_session(context.connection)) is not None:
            session.is_announced = False

    @event.listens_for(Engine, "commit")
    def _commit(connection: Connection) -> None:
        progress.committed(has_written=(session := working_session(connection)) is not None and session.has_written)

    WorkingSession.on_raw_statement = staticmethod(crossing.raw)


def _without_doubled_percents(connection: Connection, statement: str) -> str:
    """The statement as the server gets it: for some drivers SQLAlchemy writes `%%`, and the driver makes `%` of it."""
    is_doubled = connection.dialect.paramstyle in {"format", "pyformat"}
    return statement.replace("%%", "%") if is_doubled else statement


class _Crossing:
    def __init__(self, progress: Progress, dialogue: Dialogue) -> None:
        self._progress = progress
        self._dialogue = dialogue

    def before(self, session: WorkingSession, statement: str, *, in_autocommit: bool) -> str:
        """What is to be sent in its place: usually itself.

        Raises:
            Stopped: Nothing; this attempt is over.
        """
        if not self._progress.is_inside:
            return statement
        word = _first_word(statement)
        session.has_written |= word not in READS
        self._progress.executing(statement, in_autocommit=in_autocommit, reads=word in READS)
        if word in _CONTROL and not _is_compound(statement):
            return statement
        session.restore()
        if word in READS | _WRITES and not _is_compound(statement):
            self._dialogue.emit("statement", sql=statement[:2000], reads=word in READS)
            return statement
        answer = self._dialogue.ask(sql=statement, pid=session.pid, autocommit=in_autocommit)
        if answer.verdict == "stop":
            raise Stopped(answer.why, statement=statement, is_final=answer.is_final)
        session.apply(answer.settings)
        for sql in answer.first:
            session.execute(sql)
        return _DONE_ALREADY if answer.verdict == "skip" else statement

    def after(self, session: WorkingSession, *, in_autocommit: bool) -> None:
        if self._progress.is_inside:
            session.restore()
            self._progress.executed(in_autocommit=in_autocommit)

    def raw(self, session: WorkingSession, statement: str, send: Callable[[str], Any]) -> Any:
        """A statement that a revision gives to a cursor of the driver itself."""
        in_autocommit = session.is_in_autocommit
        sent = self.before(session, statement, in_autocommit=in_autocommit)
        session.is_announced = True
        try:
            result = send(sent)
        finally:
            session.is_announced = False
        self.after(session, in_autocommit=in_autocommit)
        return result


def _first_word(statement: str) -> str:
    found = _FIRST_WORD.match(statement)
    return found.group(1).upper() if found else ""


def _is_compound(statement: str) -> bool:
    """Whether there may be a second statement in it."""
    return ";" in statement.rstrip().rstrip(";")
