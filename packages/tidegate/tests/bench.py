"""A clearance on a real server with the session of a worker beside it, without processes around them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

from tidegate.database.connect import backend_pid
from tidegate.database.lock import FENCE
from tidegate.run.clearance import Clearance, Question
from tidegate.run.pace import Pace, Patience

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project

    from tidegate.worker.dialogue import Answer

ALTER = "ALTER TABLE account ADD COLUMN x int"

BUILD = "CREATE INDEX CONCURRENTLY i ON account (n)"

NO_LIMITS = {"lock_timeout": "0", "statement_timeout": "0"}


class Bench:
    """A clearance, the session of a worker, and a clock that the test turns."""

    def __init__(self, project: Project, pace: Pace) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.control = psycopg2.connect(project.url, application_name="control")
        self.control.autocommit = True
        self.worker = psycopg2.connect(project.url, application_name="worker")
        self.worker.cursor().execute(f"SELECT pg_advisory_lock_shared({FENCE})")
        self.worker.commit()
        self.pid = backend_pid(self.worker)
        self.worker.commit()
        patience = Patience(pace, clock=lambda: self.now, chance=lambda: 0.0)
        self.clearance = Clearance(self.control, patience=patience, tell=self.told.append)
        self.clearance.begin_session(["public"])
        self.clearance.begin_revision()

    def ask(self, sql: str, *, autocommit: bool = False) -> Answer | None:
        return self.clearance.consider(Question(sql, self.pid, autocommit))

    def leave(self) -> None:
        """The worker has ended: its fence is down."""
        self.worker.cursor().execute("SELECT pg_advisory_unlock_all()")
        self.worker.commit()

    def send(self, sql: str) -> None:
        self.worker.cursor().execute(sql)


@contextmanager
def bench(project: Project, pace: Pace = Pace()) -> Iterator[Bench]:  # noqa: B008 - immutable
    made = Bench(project, pace)
    try:
        yield made
    finally:
        made.worker.close()
        made.control.close()


def answered(answer: Answer | None) -> Answer:
    assert answer is not None
    return answer
