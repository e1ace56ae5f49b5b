"""Whether a statement may be sent now: nobody long in its way, and with which settings it goes.

The worker asks before each statement that may take a lock on a table (`statements`); the answer is found on
the control connection, which waits for nobody. While a revision holds nothing that others may wait for, it
waits here, before its statement; once it does, it is given up and begun anew when the way is clear.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from tidegate.database.blockers import (
    HARMLESS,
    awaited_lock,
    blockers_of,
    cancel_autovacuum,
    find_blockers,
    holds_others_up,
)
from tidegate.database.lock import FENCE, holders
from tidegate.index.concurrently import Preparation, prepare
from tidegate.report.duration import show_duration
from tidegate.sql.effects import Relation, Statement, read_statements
from tidegate.worker.dialogue import Answer
from tidegate.worker.trace import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.database.blockers import Blocker
    from tidegate.run.pace import Patience

REPORT_EVERY_S = 10.0
"""How often a wait for others is reported, after the first time."""

_NOBODY_WAITS_FOR = HARMLESS | {"ShareUpdateExclusiveLock"}
"""Modes that no reading and no writing waits for."""

_COMMITS = re.compile(r"\b(?:COMMIT|ROLLBACK)\b", re.IGNORECASE)

_NO_LIMIT = {"lock_timeout": "0"}
_NO_LIMITS = {"lock_timeout": "0", "statement_timeout": "0"}


class Question(NamedTuple):
    """What a worker wants to send."""

    sql: str
    pid: int
    """Its server session."""
    autocommit: bool


class Clearance:
    """What a run knows of the locks that its revisions want, over all its attempts."""

    def __init__(self, control: Connection, *, patience: Patience, tell: Callable[[str], None]) -> None:
        self.patience = patience
        self.trace = Trace()
        self.blockers: list[Blocker] = []
        """Who was in the way when it was last looked."""
        self.refusal: Preparation | None = None
        """Why the run was stopped although nobody is in the way."""
        self.is_repetition = False
        """Whether the run before this one was cut off or failed."""
        self._control = control
        self._tell = tell
        self._created: list[tuple[str | None, str]] = []
        self._wanted: set[Relation] = set()
        self._search_path: list[str] = []
        self._question: Question | None = None
        self._statements: tuple[Statement, ...] | None = None
        self._held_since: float | None = None
        self._author_rules = False
        self._reported: float | None = None
        self._seen: dict[str, float] = {}
        self._is_unsure = False

    def begin_session(self, search_path: Sequence[str]) -> None:
        """The worker is connected; names are looked for in these schemas."""
        self._search_path = list(search_path)

    def begin_revision(self) -> None:
        """A revision begins: whatever the one before it held is committed."""
        self.trace = Trace()
        self._held_since, self._author_rules = None, False
        self._created.clear()

    def forget_wants(self) -> None:
        """The revision is applied."""
        self.patience.got_through()
        self._wanted.clear()
        self._reported = None

    def consider(self, question: Question) -> Answer | None:
        """The answer; nothing yet while somebody is in the way. Ask again in a moment."""
        if question is not self._question:
            self._begin(question)
        answer = self._consider(question)
        statements = self._statements or ()
        return answer and answer._replace(
            is_plain=bool(statements) and all(map(_is_plain, statements)),
            ends_transaction=any(statement.ends_transaction for statement in statements),
            is_repeatable=bool(statements) and all(map(_can_be_sent_again, statements)),
        )

    def _consider(self, question: Question) -> Answer | None:
        statements = self._statements or ()
        own = {question.pid, *(holder.pid for holder in holders(self._control, FENCE))}
        holds = holds_others_up(self._control, own)
        if holds and self._held_since is None:
            self._held_since = time.monotonic()
        if statements and all(statement.takes_its_time for statement in statements) and not holds:
            return self._prepare(question, statements) if self.runs_alone else Answer("go", _NO_LIMIT)
        timeout = self.patience.pace.timeout_s(self.patience.attempt)
        if self._author_rules or timeout == 0:
            return Answer("go")
        wanted = [lock for statement in statements for lock in statement.locks if lock.mode not in _NOBODY_WAITS_FOR]
        self._wanted |= set(wanted)
        was_unsure = self._is_unsure
        self.blockers = self._find_blockers(wanted, timeout, question.pid, own)
        if self.blockers:
            return self._wait(question, own, holds=holds)
        return None if self._is_unsure and not was_unsure else Answer("go", self._settings())

    def _wait(self, question: Question, own: Collection[int], *, holds: bool) -> Answer | None:
        """The answer while somebody is in the way: nothing yet, unless waiting here does harm or leads nowhere."""
        if any(blocker.pid in own for blocker in self.blockers):
            return self._refuse_own_lock(question)
        if holds:
            return Answer("stop", why="another transaction is in its way")
        self.patience.begin_waiting()
        if self.patience.time_is_up:
            return Answer("stop", why="another transaction was in its way all the time", is_final=True)
        self._report(f"before `{_short(question.sql)}`", map(str, self.blockers))
        self._send_vacuum_away()
        return None

    @property
    def runs_alone(self) -> bool:
        """Whether the statement last asked about is one that cannot run in a transaction."""
        return any(statement.runs_alone for statement in self._statements or ())

    def watch(self, pid: int) -> None:
        """See whom a statement on its way waits for: so it is known what it locks even where its text hides it."""
        lock = awaited_lock(self._control, pid)
        if lock is not None:
            self._wanted.add(Relation(*lock))
        self.blockers = blockers_of(self._control, pid) or self.blockers

    def is_clear(self) -> bool:
        """Whether nobody is in the way of what the revision wanted so far. It is begun anew then."""
        was_unsure = self._is_unsure
        self.blockers = self._find_blockers(self._wanted, self.patience.pace.timeout_s(self.patience.attempt))
        if self.blockers:
            self._report("before the next attempt", map(str, self.blockers))
            self._send_vacuum_away()
        return not self.blockers and (was_unsure or not self._is_unsure)

    def _begin(self, question: Question) -> None:
        self._question = question
        self._is_unsure = False
        self._statements = read_statements(question.sql, self._created)
        statements = self._statements or ()
        self._created += [name for statement in statements for name in statement.creates]
        self._author_rules |= any(statement.sets_lock_timeout for statement in statements)
        is_repeatable = bool(statements) and all(statement.is_repeatable for statement in statements)
        self.trace.sending(question.sql, is_repeatable=is_repeatable)

    def _prepare(self, question: Question, statements: Sequence[Statement]) -> Answer | None:
        """The answer about a statement that cannot be rolled back, such as CREATE INDEX CONCURRENTLY."""
        if not question.autocommit:
            return Answer("go")  # the server has the best words for that
        found = prepare(
            self._control,
            statements[0],
            pid=question.pid,
            search_path=self._search_path,
            is_repetition=self.is_repetition or self.patience.attempt > 1,
        )
        if found.verdict == "refuse":
            self.refusal = found
            return Answer("stop", why=found.reason, is_final=True)
        if found.verdict == "wait":
            self.patience.begin_waiting()
            if self.patience.time_is_up:
                return Answer("stop", why=found.reason, is_final=True)
            self._report(f"before `{_short(question.sql)}`", [found.reason])
            return None
        if found.reason:
            self._tell(f"    {found.reason}: {'skipped' if found.verdict == 'skip' else ', then '.join(found.first)}")
        return Answer(found.verdict, _NO_LIMITS, found.first)

    def _settings(self) -> dict[str, str]:
        """The timeout each time: who knows what an `env.py` or an earlier revision made of the one that we set."""
        held_for = None if self._held_since is None else time.monotonic() - self._held_since
        left = self.patience.pace.left_s(self.patience.attempt, held_for_s=held_for)
        return {"lock_timeout": f"{max(1, round(left * 1000))}ms"}

    def _refuse_own_lock(self, question: Question) -> Answer:
        """PostgreSQL sees no deadlock there, since one of the two sessions waits in Python."""
        self.refusal = Preparation(
            "refuse",
            reason=f"`{_short(question.sql)}` waits for another connection of the same migration: {self.blockers[0]}",
            hint="commit or close that connection in the revision before this statement",
        )
        return Answer("stop", why=self.refusal.reason, is_final=True)

    def _send_vacuum_away(self) -> None:
        """If nobody but autovacuum is in the way, have PostgreSQL cancel it; it comes again by itself."""
        if all(blocker.is_autovacuum for blocker in self.blockers):
            for relation in {blocker.relation for blocker in self.blockers}:
                cancel_autovacuum(self._control, relation)

    def _find_blockers(
        self, wanted: Iterable[Relation], older_than_s: float, pid: int = 0, own: Collection[int] = ()
    ) -> list[Blocker]:
        """Who is in the way. Where the server does not tell how long, from when we first saw them.

        Args:
            pid: The session that wants.
            own: Sessions of this migration; they are in the way however young they are.
        """
        found = find_blockers(self._control, wanted, older_than_s=0, search_path=self._search_path, except_pids=[pid])
        now = time.monotonic()
        hidden = {blocker.transaction for blocker in found if blocker.age_s is None}
        self._seen = {name: self._seen.get(name, now) for name in hidden}
        ages = {name: now - since for name, since in self._seen.items()}
        aged = [
            blocker if blocker.age_s is not None else blocker._replace(age_s=ages[blocker.transaction])
            for blocker in found
        ]
        blockers = [blocker for blocker in aged if (blocker.age_s or 0) >= older_than_s * 0.9 or blocker.pid in own]
        self._is_unsure = any(name not in {blocker.transaction for blocker in blockers} for name in hidden)
        return blockers

    def _report(self, when: str, causes: Iterable[str]) -> None:
        now = time.monotonic()
        if self._reported is not None and now - self._reported < REPORT_EVERY_S:
            return
        self._reported = now
        spent, budget = show_duration(self.patience.waited_s), show_duration(self.patience.pace.retry_for_s)
        self._tell(f"    waiting {when} ({spent} of {budget}); in the way:")
        for cause in causes:
            self._tell(f"      {cause}")


def _is_plain(statement: Statement) -> bool:
    """Whether it may be sent within a transaction. Code on the server may want to end the one that it runs in."""
    may_commit = statement.kind == "CALL" or (statement.kind == "DO" and _COMMITS.search(statement.sql) is not None)
    return not (statement.runs_alone or statement.ends_transaction or may_commit)


def _can_be_sent_again(statement: Statement) -> bool:
    """Whether it may come once more though it may have succeeded: `prepare` knows what these leave behind."""
    return statement.is_repeatable or bool(statement.drops_index) or "DETACH" in statement.kind


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return text[:60] + ("…" if len(text) > 60 else "")
