"""What of a revision is committed before all of it is: written down with it, and left out by the next run.

Alembic's `autocommit_block()` commits what the revision did before, and each statement in it is a transaction of its
own (`CREATE INDEX CONCURRENTLY` needs that). A run that is killed in there leaves half a revision: Alembic begins it
anew, and its first ADD COLUMN fails for ever. So every statement that is committed early gets a row in
`tidegate.step` (`step`), in the same transaction. The next run sends the revision's statements again, and those that
have a row are answered from it. Reads and settings of the session are always carried out.

A statement is known by its text and parameters. How often it has a row is how often it is left out, in whatever order
it comes: a revision that looks first and then does less goes on working.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.database.url import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.worker.dialogue import Answer
    from tidegate.worker.sessions import WorkingSession

STATEMENT_SHOWN = 500
"""How much of a statement is kept for people, in characters."""

_LOAD = (
    "SELECT coalesce(json_agg(json_build_array(revision, seq, hash, rows, is_done, is_resumable, left(statement, 100)) "
    "ORDER BY seq), '[]')::text FROM tidegate.step WHERE direction = '{}'"
)

_PLACE = (
    "SELECT concat_ws(' ', d.oid, pg_postmaster_start_time()) FROM pg_database d WHERE d.datname = current_database()"
)
"""Which database of which server a session is in: a revision may open sessions elsewhere."""

_OF_THE_SESSION = re.compile(r"\b(?:(?:CREATE|GLOBAL|LOCAL|INTO)\s+TEMP(?:ORARY)?|pg_temp)\b", re.IGNORECASE)
"""What is gone with the session, so that what was done with it cannot be left out."""

_INSERTS = re.compile(r"\b(?:INSERT|MERGE)\b", re.IGNORECASE)

_SAVEPOINT = re.compile(r"\b(?:SAVEPOINT|TO)\s+(\w+|\"[^\"]*\")\s*;?\s*$", re.IGNORECASE)

_INSERT = (
    "INSERT INTO tidegate.step (revision, direction, run_id, statement, hash, rows, is_done, is_resumable) "
    "VALUES {} RETURNING seq"
)

_DONE = "UPDATE tidegate.step SET is_done = true, is_resumable = true WHERE seq = {}"

COMMITS = frozenset({"COMMIT", "END"})
"""First words of the statements that commit."""


class HalfDone(Exception):
    """A revision was cut off at a place from which it cannot go on."""


class Step(NamedTuple):
    """A row of an earlier attempt."""

    seq: int
    hash: str
    rows: int
    is_done: bool
    is_resumable: bool
    statement: str


class _Sent(NamedTuple):
    """A statement of this attempt."""

    statement: str
    hash: str
    rows: int = -1
    is_resumable: bool = True


class _Ledger:
    """One session: what it has sent and not committed."""

    def __init__(self) -> None:
        self.open: list[_Sent] = []
        self.marks: dict[str, int] = {}
        self.has_failed = False
        self.has_begun = False
        """The revision itself began a transaction in autocommit mode."""
        self.sending: _Sent | None = None
        self.is_wrapped = False
        self.alone: int | None = None
        """The row of a statement that cannot run in a transaction."""


class Journal:
    """The early commits of one worker's revisions."""

    def __init__(self, *, run_id: int, direction: str, emit: Callable[..., None]) -> None:
        self.has_rows = False
        """Whether the current revision has rows, which are to go with its end."""
        self._run_id = run_id
        self._direction = direction
        self._emit = emit
        self._revision = ""
        self._place = ""
        self._version_table = re.compile(r"\balembic_version\b")
        self._rows: dict[str, list[Step]] = defaultdict(list)
        self._known: dict[str, list[Step]] = defaultdict(list)
        self._ledgers: dict[WorkingSession, _Ledger] = defaultdict(_Ledger)
        self._ours: dict[WorkingSession, bool] = {}

    def load(self, session: WorkingSession, version_table: str | None) -> None:
        """Read what earlier runs left."""
        self._place = session.execute(_PLACE)
        self._ours[session] = True
        self._version_table = re.compile(rf"\b{re.escape(version_table or 'alembic_version')}\b")
        for revision, *row in json.loads(session.execute(_LOAD.format(self._direction))):
            self._rows[revision].append(Step(*row))

    def begin(self, revision: str) -> None:
        """A revision begins.

        Raises:
            HalfDone: An earlier run did something in it that can be neither left out nor repeated.
        """
        self._revision = revision
        self._known.clear()
        self._ledgers.clear()
        found = self._rows.pop(revision, [])
        self.has_rows = bool(found)
        for step in found:
            if not step.is_resumable:
                raise HalfDone(
                    f"revision `{revision}` was cut off when part of it was committed, and cannot go on from there "
                    f"by itself because of `{' '.join(step.statement.split())}`"
                )
            self._known[step.hash].append(step)
        if found:
            self._emit("resumed", steps=sum(step.is_done for step in found))

    def recall(self, statement: str, parameters: Any) -> Step | None:
        """The row of this statement, if it has one that was not used yet."""
        rows = self._known.get(_hash(statement, parameters)) if self._known else None
        return rows.pop(0) if rows else None

    def sending(
        self,
        session: WorkingSession,
        statement: str,
        parameters: Any,
        *,
        in_autocommit: bool,
        answer: Answer,
        begun: Step | None = None,
    ) -> None:
        """A statement that writes is about to be sent."""
        if self._version_table.search(statement) or not self._is_ours(session):
            return
        ledger = self._ledgers[session]
        sent = _Sent(statement, _hash(statement, parameters))
        ledger.sending = sent._replace(is_resumable=not _OF_THE_SESSION.search(statement))
        if in_autocommit and not ledger.has_begun:
            if answer.is_plain:
                session.execute("BEGIN")
                ledger.is_wrapped = True
                return
            can_repeat = answer.is_repeatable or answer.verdict == "skip"
            ledger.alone = begun.seq if begun else self._write(session, sent._replace(is_resumable=can_repeat), done=0)
        elif answer.ends_transaction:
            self._write(session, *ledger.open, sent._replace(is_resumable=False))
            ledger.open.clear()
            ledger.sending = None

    def sent(self, session: WorkingSession, *, rows: int, returned: bool) -> bool:
        """It succeeded. Answers whether it is both committed and on record."""
        ledger = self._ledgers[session]
        sent, ledger.sending = ledger.sending, None
        if sent is None:
            return False
        inserts = _INSERTS.search(sent.statement) is not None
        sent = sent._replace(rows=max(rows, -1), is_resumable=sent.is_resumable and not (returned and inserts))
        is_kept = inserts or not returned  # rows that were changed and handed out: a loop goes on by itself from there
        if ledger.is_wrapped:
            if is_kept:
                self._write(session, sent)
            session.execute("COMMIT")
            ledger.is_wrapped = False
            return is_kept and sent.is_resumable
        if ledger.alone is not None:
            session.execute(_DONE.format(ledger.alone))
            ledger.alone = None
            return True
        ledger.open += [sent] if is_kept else []
        return False

    def failed(self, session: WorkingSession, *, in_autocommit: bool) -> None:
        """It failed. Nothing is sent here unless we began the transaction."""
        ledger = self._ledgers[session]
        ledger.sending = ledger.alone = None
        ledger.has_failed = not in_autocommit or ledger.has_begun
        if ledger.is_wrapped:
            ledger.is_wrapped = False
            session.execute("ROLLBACK")

    def control(self, session: WorkingSession, statement: str, word: str) -> bool:
        """The revision sends a statement about transactions. Answers whether a commit is on record now."""
        ledger = self._ledgers[session]
        if found := _SAVEPOINT.search(statement):
            if word == "SAVEPOINT":
                ledger.marks[found[1]] = len(ledger.open)
            elif word == "ROLLBACK":
                del ledger.open[ledger.marks.get(found[1], 0) :]
                ledger.has_failed = False
        elif word in {"BEGIN", "START"}:
            ledger.has_begun = True
        elif word in COMMITS:
            return self.commit(session)
        elif word in {"ROLLBACK", "ABORT"}:
            self.rollback(session)
        return False

    def commit(self, session: WorkingSession) -> bool:
        """The session is about to commit. Answers whether all of that is on record."""
        ledger = self._ledgers[session]
        ledger.has_begun = False
        ledger.marks.clear()
        sent, ledger.open = ledger.open, []
        if ledger.has_failed:  # what looks like a commit is a rollback
            ledger.has_failed = False
            return False
        if sent:
            self._write(session, *sent)
        return all(one.is_resumable for one in sent)

    def rollback(self, session: WorkingSession) -> None:
        """The session rolls back."""
        self._ledgers.pop(session, None)

    def _is_ours(self, session: WorkingSession) -> bool:
        if session not in self._ours:
            self._ours[session] = session.execute(_PLACE) == self._place
        return self._ours[session]

    def _write(self, session: WorkingSession, *sent: _Sent, done: int = 1) -> int:
        self.has_rows = True
        values = ", ".join(
            f"({_quoted(self._revision)}, '{self._direction}', {self._run_id}, {_quoted(_shown(one.statement))}, "
            f"'{one.hash}', {one.rows}, {bool(done)}, {one.is_resumable})"
            for one in sent
        )
        return int(session.execute(_INSERT.format(values)))


def _hash(statement: str, parameters: Any) -> str:
    return hashlib.sha256(repr((statement, parameters or ())).encode()).hexdigest()


def _shown(statement: str) -> str:
    return redact(" ".join(statement.split()))[:STATEMENT_SHOWN]


def _quoted(text: str) -> str:
    """A text as SQL, whatever is in it, whatever the encoding of the database and the session's settings."""
    return f"convert_from(decode('{text.encode('ascii', 'backslashreplace').hex()}', 'hex'), 'UTF8')"
