"""The application beside a migration: transactions that hold locks, readers and writers whose waits are measured."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import psycopg2
from projects import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from typing import Self

    from projects import Project

ADD_COLUMN = 'op.execute("ALTER TABLE account ADD COLUMN x int")'
HIDDEN = "op.execute(\"DO $$BEGIN EXECUTE 'ALTER TABLE account ADD COLUMN x int'; END$$\")"
"""The same where no text shows it."""

WAITING = (
    "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND datname = current_database()"
)
"""Somebody in this database waits for a lock."""


def heard(process: subprocess.Popen[str], text: str) -> str:
    """What the process says up to the line with this text; the test fails when it ends without."""
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it never said `{text}`:\n{said}")


@contextlib.contextmanager
def holding(project: Project, statement: str = "SELECT count(*) FROM account", name: str = "report") -> Iterator[int]:
    """A transaction of an application that goes on holding its locks; gives its process id."""
    connection = psycopg2.connect(project.url, application_name=name)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        yield connection.info.backend_pid
    finally:
        with contextlib.suppress(psycopg2.Error):  # the test may have ended the session
            connection.rollback()  # a close alone lets the locks go a moment later
        connection.close()


class Application:
    """Readers and writers of a table that have no patience: the server fails a query that waits too long for a lock.

    So it is the server that measures the wait, and not a thread here that has to share the processor.
    """

    def __init__(self, project: Project, *statements: str, patience_ms: int = 500) -> None:
        self.failed: list[str] = []
        self.done = 0
        self._patience_ms = patience_ms
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(project.url, text)) for text in statements]

    def _work(self, url: str, statement: str) -> None:
        connection = psycopg2.connect(url, application_name="application")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {self._patience_ms}")
        while not self._stop.is_set():
            try:
                cursor.execute(statement)
            except psycopg2.Error as exc:
                self.failed.append(str(exc))
            self.done += 1
            time.sleep(0.002)
        connection.close()

    def goes_on(self, queries: int = 100) -> None:
        """Return when that many more have been answered, or have failed."""
        wanted = self.done + queries
        until(lambda: self.done >= wanted, what="the application goes on")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


READ = "SELECT id FROM account WHERE id = 1"
WRITE = "UPDATE account SET n = n + 1 WHERE id = 2"


def columns(project: Project, table: str = "account") -> set[str]:
    """The names of a table's columns."""
    rows = project.query("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", table)
    return {row[0] for row in rows}
