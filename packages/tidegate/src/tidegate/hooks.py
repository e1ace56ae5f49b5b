"""What happens inside Alembic while a worker migrates: the fence, the record, the account of each statement.

An unchanged `env.py` calls `context.configure()` and meets our hooks there. Nothing of Alembic's classes
is patched: the hooks sit on the one environment object of this run. Importing this imports Alembic and SQLAlchemy.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text

from tidegate.graph import PHASES
from tidegate.lock import FENCE, MUTEX, key_halves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, MigrationInfo
    from sqlalchemy.engine import Connection

    from tidegate.order import Order

SETTINGS = {
    "client_connection_check_interval": "1000",  # ms: the server notices within a second that we were killed
    "tcp_keepalives_idle": "5",  # s, and the two below: a vanished machine is noticed within 15 s
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
"""Settings of every working session; those that a server does not know (before PostgreSQL 14) are left out."""


class WorkerRefused(Exception):
    """The worker must not touch this database."""


class Progress:
    """Where the worker is, and the account it gives of it."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self.emit = emit
        self.revision: str | None = None
        self.statement: str | None = None
        self.committed_part = False
        self.reached_configure = False
        self._is_inside = False
        self._began = 0.0

    def begin(self, revision: str, *, number: int, of: int, title: str) -> None:
        """A revision begins."""
        self.revision, self.statement, self.committed_part = revision, None, False
        self._is_inside, self._began = True, time.monotonic()
        self.emit("revision", id=revision, number=number, of=of, title=title)

    def executing(self, statement: str) -> None:
        """A statement is about to be sent."""
        if self._is_inside:
            self.statement = statement
            self.emit("statement", sql=statement[:2000])
            self.committed_part |= statement.lstrip()[:6].upper() == "COMMIT"

    def committed(self) -> None:
        """The connection commits; in the middle of a revision that means that part of it stays."""
        self.committed_part |= self._is_inside

    def applied(self) -> int:
        """The revision is done, though not committed yet. Answers its duration in milliseconds."""
        duration_ms = round((time.monotonic() - self._began) * 1000)
        self._is_inside = False
        self.emit("applied", id=self.revision, ms=duration_ms)
        return duration_ms


def attach(environment: EnvironmentContext, *, order: Order, progress: Progress) -> None:
    """Put our hooks where `env.py` calls `context.configure()`: on this one environment, not on Alembic's class."""
    configure = environment.configure

    def guarded_configure(connection: Connection | None = None, **options: Any) -> None:
        progress.reached_configure = True
        if connection is not None:
            raise_fence(connection, control_pid=order.control_pid, emit=progress.emit)
            _listen(connection, progress)
            options["transaction_per_migration"] = True
            options["on_version_apply"] = (*_as_tuple(options.get("on_version_apply")), _recorder(order, progress))
        configure(connection=connection, **options)
        context = environment.get_context()
        schema = f"{context.version_table_schema}." if context.version_table_schema else ""
        progress.emit("configured", version_table=schema + context.version_table)

    environment.configure = guarded_configure  # type: ignore[method-assign, assignment]  # on the instance, on purpose


def announced(steps: Iterable[Any], progress: Progress) -> Iterator[Any]:
    """The steps one by one, each announced before Alembic runs it."""
    todo = list(steps)
    progress.emit("plan", steps=[step.info.up_revision_id for step in todo])
    for number, step in enumerate(todo, 1):
        title = (step.revision.doc or "").strip() if hasattr(step, "revision") else ""
        progress.begin(step.info.up_revision_id, number=number, of=len(todo), title=title)
        yield step


def raise_fence(connection: Connection, *, control_pid: int, emit: Callable[..., None]) -> None:
    """Make this connection a working session: the settings, the fence, and the proof that the lock is held.

    Whatever `env.py` executed before `configure()` left a transaction open; with it Alembic would believe
    that somebody else commits, and everything would be rolled back with exit code 0. It is committed here,
    with our own statements, unless `env.py` holds it as a block that commits by itself.

    Raises:
        WorkerRefused: Not PostgreSQL, another database than the one that is locked, or the lock is lost.
    """
    if connection.dialect.name != "postgresql":
        raise WorkerRefused(f"`env.py` connects to {connection.dialect.name}; tidegate guards PostgreSQL only")
    explicit = getattr(connection, "_trans_context_manager", None) is not None
    known = connection.execute(text("SELECT name FROM pg_settings WHERE name IN :names").bindparams(_names())).scalars()
    for name in known.all():
        connection.execute(text("SELECT set_config(:name, :value, false)"), {"name": name, "value": SETTINGS[name]})
    fenced = connection.execute(text("SELECT pg_try_advisory_lock_shared(:key)"), {"key": FENCE}).scalar()
    if not fenced or not _holds_mutex(connection, control_pid):
        raise WorkerRefused(
            "`env.py` connects to another database than the one that is locked, or the lock was lost meanwhile"
        )
    emit("connected", pid=connection.execute(text("SELECT pg_backend_pid()")).scalar())
    if not explicit:
        connection.commit()


def _names() -> Any:
    from sqlalchemy import bindparam

    return bindparam("names", list(SETTINGS), expanding=True)


def _holds_mutex(connection: Connection, control_pid: int) -> bool:
    class_id, object_id = key_halves(MUTEX)
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND pid = :pid AND classid = CAST(:class_id AS bigint) AND objid = CAST(:object_id AS bigint)"
    )
    found = connection.execute(query, {"pid": control_pid, "class_id": class_id, "object_id": object_id})
    return bool(found.scalar())


def _listen(connection: Connection, progress: Progress) -> None:
    @event.listens_for(connection, "before_cursor_execute")
    def _statement(_c: Any, _cursor: Any, statement: str, _p: Any, _context: Any, _many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
        progress.executing(statement)

    @event.listens_for(connection, "commit")
    def _commit(_c: Any) -> None:
        progress.committed()


def _recorder(order: Order, progress: Progress) -> Callable[..., None]:
    def record(*, ctx: MigrationContext, step: MigrationInfo, **_: Any) -> None:
        """One row, in the transaction that applies the revision."""
        script = step.up_revision
        assert ctx.connection is not None and script is not None  # noqa: PT018, S101 - online, and a real step
        module = getattr(script, "module", None)
        phase = getattr(module, "phase", None)
        parents = [*script._versioned_down_revisions, *script._resolved_dependencies]  # noqa: SLF001 - no public name
        row = {
            "id": script.revision,
            "direction": "upgrade" if step.is_upgrade else "downgrade",
            "parents": "\n".join(parents),
            "phase": phase if phase in PHASES else None,
            "checksum": _checksum(getattr(script, "path", None)),
            "run_id": order.run_id,
            "duration_ms": progress.applied(),
        }
        ctx.connection.execute(_INSERT, row)
        _commit_what_alembic_would_lose(ctx)

    return record


def _commit_what_alembic_would_lose(ctx: MigrationContext) -> None:
    """Commit the transaction that SQLAlchemy began behind the back of a revision that called `commit()` itself.

    Alembic ends the transaction it began, which is over by then, and the rest of the revision with its
    version would be rolled back without a word when the connection closes (measured on Alembic 1.20).
    """
    connection = ctx.connection
    current = connection.get_transaction() if connection is not None else None
    own = getattr(ctx, "_transaction", None)
    if connection is not None and current is not None and own is not None and current is not own:
        connection.commit()


_INSERT = text(
    "INSERT INTO tidegate.revision (id, direction, parents, phase, checksum, run_id, duration_ms) VALUES "
    "(:id, :direction, coalesce(string_to_array(nullif(CAST(:parents AS text), ''), chr(10)), '{}'), "
    "CAST(:phase AS text), CAST(:checksum AS text), CAST(:run_id AS bigint), CAST(:duration_ms AS integer))"
)


def _checksum(path: str | None) -> str | None:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple, set)) else (value,)
