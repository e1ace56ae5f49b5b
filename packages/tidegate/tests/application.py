"""The application beside a migration: transactions that hold locks, readers and writers whose waits are measured."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
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


@contextlib.contextmanager
def holding(project: Project, statement: str = "SELECT count(*) FROM account", name: str = "report") -> Iterator[int]:
    """A transaction of an application that goes on holding its locks; gives its process id."""
    connection = psycopg2.connect(project.url, application_name=name)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        yield connection.info.backend_pid
    finally:
        connection.close()


class Application:
    """Readers and writers of a table, and how long the slowest of their queries took."""

    def __init__(self, project: Project, *statements: str) -> None:
        self.slowest = 0.0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(project.url, text)) for text in statements]

    def _work(self, url: str, statement: str) -> None:
        connection = psycopg2.connect(url, application_name="application")
        connection.autocommit = True
        cursor = connection.cursor()
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                cursor.execute(statement)
            except psycopg2.Error as exc:
                self.failed.append(str(exc))
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.002)
        connection.close()

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
