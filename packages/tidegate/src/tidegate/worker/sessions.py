"""The working sessions of a run: each has the fence, notices within a second that its client is gone, and is proven.

Only the worker imports this, and with it SQLAlchemy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import Pool

from tidegate.database.lock import FENCE, MUTEX, key_halves
from tidegate.worker.forks import keep_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECK_INTERVAL_MS = "250"
"""How soon the server notices in the middle of a statement that we were killed. Short, since the next run is to be at
work 2 s after a SIGKILL and needs 0.7 s of them to start; the check costs one system call each time."""

SETTINGS = {
    "client_connection_check_interval": CHECK_INTERVAL_MS,
    "tcp_keepalives_idle": "5",  # s, and the two below: a vanished machine is noticed within 15 s
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
"""Settings of every working session; those that a server does not know (before PostgreSQL 14) are left out."""


_UNTIMED = {"idle_in_transaction_session_timeout": "0", "transaction_timeout": "0"}
"""A session of ours may be idle in its transaction while we wait for others' locks, and that may take long."""


def first_settings(lock_timeout_s: float) -> str:
    """The statement that gives a session what it begins with, and gives it back what a revision changed."""
    wanted = SETTINGS | _UNTIMED | {"lock_timeout": str(round(lock_timeout_s * 1000))}
    values = ", ".join(f"('{name}', '{value}')" for name, value in wanted.items())
    return (
        f"SELECT set_config(s.name, w.value, false) FROM pg_settings s JOIN (VALUES {values}) w (name, value) "  # noqa: S608 - constants of ours
        "ON s.name = w.name"
    )


_explicit_transactions: WeakSet[Connection] = WeakSet()
"""Connections whose transaction somebody began by hand and nobody has used since."""


class PooledSession(Exception):
    """`env.py` connects through a transaction pooler."""


class WorkerRefused(Exception):
    """The worker must not touch this database."""


class WorkingSession:
    """One server session of the worker, under whichever connection of SQLAlchemy or of the driver."""

    on_raw_statement: Callable[[WorkingSession, str, Any, Any, Callable[[str], Any]], Any] | None = None
    """Gets the statements that go to a cursor of the driver past SQLAlchemy."""

    def __init__(self, dbapi_connection: Any, pid: int) -> None:
        self.pid = pid
        self.process = os.getpid()
        """Ours; one that a revision forked is another."""
        self.has_written = False
        self.has_open = False
        """Something that was written waits for its commit, as far as SQLAlchemy and its statements tell."""
        self.transaction: int | None = None
        """The number of the transaction that has something open, once it has one."""
        self.is_announced = False
        """SQLAlchemy has told of the statement that a cursor gets now."""
        self._connection = dbapi_connection
        self._changed: dict[str, str] = {}

    @property
    def is_in_autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return bool(getattr(self._connection, "autocommit", False))

    @property
    def is_idle(self) -> bool:
        """Whether the driver says that no transaction is open; no where it does not say."""
        of_asyncpg = getattr(getattr(self._connection, "driver_connection", None), "is_in_transaction", None)
        if of_asyncpg is not None:
            return not of_asyncpg()
        return getattr(getattr(self._connection, "info", None), "transaction_status", None) == _IDLE

    def number_transaction(self) -> None:
        """Remember which transaction is open; the server gives it a number when it first writes."""
        if self.has_open and self.transaction is None:
            self.transaction = self.execute("SELECT txid_current_if_assigned()")

    def has_committed(self) -> bool:
        """Whether the transaction that was numbered is committed, and not rolled back: the driver may have done either.

        Source: PostgreSQL manual, "Transaction ID and Snapshot Information Functions".
        """
        number, self.transaction = self.transaction, None
        return number is not None and self.execute(f"SELECT txid_status({number})") == "committed"

    def execute(self, statement: str) -> Any:
        """The first value, if it gives one; sent past all who listen."""
        was, self.is_announced = self.is_announced, True
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
        finally:
            cursor.close()
            self.is_announced = was

    def apply(self, settings: Mapping[str, str]) -> None:
        """Change settings for one statement."""
        for name, value in settings.items():
            before = self.execute(f"SELECT current_setting('{name}')")
            if before != value:
                self._changed[name] = before
                self._set(name, value)

    def restore(self) -> None:
        """Take that back; after a statement that failed, before the next one."""
        while self._changed:
            self._set(*self._changed.popitem())

    def _set(self, name: str, value: str) -> None:
        self.execute(f"SELECT set_config('{name}', '{value}', false)")


def working_session(connection: Connection) -> WorkingSession | None:
    """The session of a connection; nothing if it is not PostgreSQL's, or if the connection is not usable any more."""
    try:
        found = connection.info.get(_KEY)
    except SQLAlchemyError:
        return None
    if not isinstance(found, WorkingSession):
        return None
    keep_out(found.process)
    return found


_KEY = "tidegate_session"

_IDLE = 0
"""libpq's PQTRANS_IDLE, which psycopg2 and psycopg pass on."""


def watch_sessions(*, is_pooled: bool, lock_timeout_s: float) -> None:
    """Give every session that this process opens the fence and the lock timeout, those too that a revision opens.

    Args:
        is_pooled: Our own connections go through a pooler as well, of which we know that it keeps sessions.
        lock_timeout_s: Zero is no limit.
    """
    settings = first_settings(lock_timeout_s)

    @event.listens_for(Pool, "connect")
    def _fence(dbapi_connection: Any, record: Any) -> None:
        if not any(name in type(dbapi_connection).__module__ for name in ("psycopg", "pg8000", "postgresql")):
            return
        cursor = dbapi_connection.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        actual = cursor.fetchone()[0]
        if not is_pooled and _announced_pid(dbapi_connection) not in {None, actual}:
            raise PooledSession("`env.py` connects through a pooler, where locks and settings of a session are lost")
        cursor.execute(settings)
        cursor.execute(f"SELECT pg_try_advisory_lock_shared({FENCE})")
        cursor.close()
        dbapi_connection.commit()
        record.info[_KEY] = session = WorkingSession(dbapi_connection, actual)
        _watch_cursors(dbapi_connection, session)

    @event.listens_for(Engine, "begin")
    def _begun(connection: Connection) -> None:
        _explicit_transactions.add(connection)

    @event.listens_for(Engine, "before_cursor_execute")
    def _used(connection: Connection, *_: Any) -> None:
        _explicit_transactions.discard(connection)


def _watch_cursors(dbapi_connection: Any, session: WorkingSession) -> None:
    """Have the driver's own cursors tell what they are given, where they can be replaced (psycopg2 and psycopg)."""
    plain = getattr(dbapi_connection, "cursor_factory", None)
    if plain is None and type(dbapi_connection).__module__.startswith("psycopg2"):
        from psycopg2.extensions import cursor as plain
    if not isinstance(plain, type):
        return

    class WatchedCursor(plain):  # type: ignore[misc, valid-type]  # the driver's class is known at run time only
        def execute(self, query: Any, *rest: Any, **options: Any) -> Any:
            def send(sent: Any) -> Any:
                return super(WatchedCursor, self).execute(sent, *rest, **options)

            if session.is_announced or session.on_raw_statement is None or not isinstance(query, str):
                return send(query)
            return session.on_raw_statement(session, query, rest, self, send)

    dbapi_connection.cursor_factory = WatchedCursor


def raise_fence(
    connection: Connection,
    *,
    control_pid: int,
    lock_timeout_s: float,
    emit: Callable[..., None],
    options: Mapping[str, Any],
    load: Callable[[WorkingSession, str | None], None],
) -> str:
    """Make this connection a working session: the settings, the fence, and the proof that the lock is held.

    Whatever `env.py` executed before `configure()` left a transaction open; with it Alembic would believe
    that somebody else commits, and everything would be rolled back with exit code 0. It is committed here,
    with our own statements, unless `env.py` holds a transaction that it began itself.

    Args:
        load: Reads what earlier runs left, once it is certain that this is the database.

    Returns:
        The version table with its schema, as this session's search path finds it.

    Raises:
        WorkerRefused: Not PostgreSQL, another database than the one that is locked, or the lock is lost.
    """
    if connection.dialect.name != "postgresql":
        raise WorkerRefused(f"`env.py` connects to {connection.dialect.name}; tidegate guards PostgreSQL only")
    is_a_block = getattr(connection, "_trans_context_manager", None) is not None
    is_explicit = connection.in_transaction() and (is_a_block or connection in _explicit_transactions)
    connection.execute(text(first_settings(lock_timeout_s)))  # once more: `env.py` may have set them itself
    fenced = connection.execute(text("SELECT pg_try_advisory_lock_shared(:key)"), {"key": FENCE}).scalar()
    if not fenced or not _holds_mutex(connection, control_pid):
        raise WorkerRefused(
            "`env.py` connects to another database than the one that is locked, or the lock was lost meanwhile"
        )
    path = connection.execute(text("SELECT array_to_string(current_schemas(true), chr(10))")).scalar() or ""
    emit("connected", pid=connection.execute(text("SELECT pg_backend_pid()")).scalar(), search_path=path.split("\n"))
    table = _version_table(connection, options)
    if (session := working_session(connection)) is not None:  # pragma: no branch - drivers that `_fence` does not know
        load(session, options.get("version_table"))
    if not is_explicit:
        connection.commit()
    return table


def _version_table(connection: Connection, options: Mapping[str, Any]) -> str:
    name, schema = options.get("version_table") or "alembic_version", options.get("version_table_schema")
    found = (
        schema
        or connection.execute(
            text(
                "SELECT coalesce((SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.oid = to_regclass(quote_ident(:name))), current_schema())"
            ),
            {"name": name},
        ).scalar()
    )
    return f"{found}.{name}"


def _announced_pid(dbapi_connection: Any) -> int | None:
    """The process id that the server, or a pooler in its place, announced at the start; None if the driver hides it."""
    driver = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    if hasattr(driver, "get_server_pid"):
        return int(driver.get_server_pid())
    return getattr(getattr(driver, "info", None), "backend_pid", None)


def _holds_mutex(connection: Connection, control_pid: int) -> bool:
    class_id, object_id = key_halves(MUTEX)
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND pid = :pid AND classid = CAST(:class_id AS bigint) AND objid = CAST(:object_id AS bigint)"
    )
    found = connection.execute(query, {"pid": control_pid, "class_id": class_id, "object_id": object_id})
    return bool(found.scalar())
