"""Indexes that builds left behind, and who is in the way of a build: what the tests of both share."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from projects import Project

from tidegate.index.verdict import (
    Verdict,
    judge_index,
)
from tidegate.sql.effects import read_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
CREATE = "CREATE INDEX CONCURRENTLY"

TABLE = """
CREATE TABLE orders (
    id int PRIMARY KEY, email varchar(80), note text, amount numeric(12, 2), at timestamptz, tags text[], "Mixed" int,
    dropped int);
ALTER TABLE orders DROP COLUMN dropped;
ALTER TABLE orders ADD COLUMN late int
"""

SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM elsewhere")
"""A transaction that every build has to wait for, though it never looks at the table."""


def judge(project: Project, sql: str, *, search_path: Iterable[str] = ()) -> Verdict:
    (statement,) = read_statements(sql) or ()
    assert statement.new_index is not None
    with project.connection() as connection:
        return judge_index(connection, sql, statement.new_index, search_path=search_path)


@contextmanager
def transaction(project: Project, *statements: str, application: str = "psql") -> Iterator[Any]:
    """A transaction of somebody else that stays open."""
    connection = psycopg2.connect(project.url, application_name=application)
    try:
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection
    finally:
        connection.close()


@contextmanager
def at_work(project: Project, sql: str) -> Iterator[int]:
    """Somebody executes this statement; gives the process id of that session."""
    connection = psycopg2.connect(project.url, application_name="builder")
    connection.autocommit = True

    def execute() -> None:
        with suppress(psycopg2.errors.QueryCanceled), connection.cursor() as cursor:
            cursor.execute(sql)

    thread = threading.Thread(target=execute)
    thread.start()
    try:
        yield connection.info.backend_pid
        thread.join(timeout=20)
    finally:
        if thread.is_alive():
            connection.cancel()
            thread.join()
        connection.close()


@contextmanager
def as_owner(project: Project) -> Iterator[Project]:
    """The same database for a role that owns `orders` and has no other rights."""
    role = f"{project.url.rpartition('/')[2]}_owner"
    project.query(f"CREATE ROLE {role} LOGIN; ALTER TABLE orders OWNER TO {role}")
    try:
        yield Project(project.folder, project.url.replace("//postgres@", f"//{role}@"))
    finally:
        project.query(f"DROP OWNED BY {role}; DROP ROLE {role}")


def leave_invalid(project: Project, name: str = "i", table: str = "orders") -> None:
    """A build that really fails: somebody writes to the table for longer than its lock timeout."""
    with transaction(project, f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"), project.connection() as connection:
        connection.cursor().execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            connection.cursor().execute(f"{CREATE} {name} ON {table} (id)")


def is_valid(project: Project, name: str) -> bool:
    return bool(project.query(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")[0][0])
