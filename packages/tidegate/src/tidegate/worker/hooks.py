"""What happens inside Alembic while a worker migrates: the fence, the record, the account of each statement.

An unchanged `env.py` calls `context.configure()` and meets our hooks there. Nothing of Alembic's classes
is patched: the hooks sit on the one environment object of this run. Importing this imports Alembic and SQLAlchemy.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tidegate.project.graph import PHASES
from tidegate.worker.sessions import WorkerRefused, first_settings, raise_fence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, MigrationInfo
    from sqlalchemy.engine import Connection

    from tidegate.run.journal import Journal
    from tidegate.run.order import Order

_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
"""What leaves something behind even when it fails."""


class Progress:
    """Where the worker is, and the account it gives of it."""

    def __init__(self, emit: Callable[..., None], journal: Journal) -> None:
        self.emit = emit
        self.journal = journal
        self.revision: str | None = None
        self.statement: str | None = None
        self.committed_part = False
        self.reached_configure = False
        self.is_inside = False
        """Whether a revision's own statements are being sent, and not those of Alembic or ours around it."""
        self.when_it_fails: Callable[[], None] = lambda: None
        """Called when a revision fails, before anything of it is rolled back."""
        self._began = 0.0
        self._reads = False

    def begin(self, revision: str, *, number: int, of: int, title: str) -> None:
        """A revision begins."""
        self.revision, self.statement, self.committed_part = revision, None, False
        self.is_inside, self._began = True, time.monotonic()
        self.emit("revision", id=revision, number=number, of=of, title=title)
        self.journal.begin(revision)

    def executing(self, statement: str, *, in_autocommit: bool, reads: bool) -> None:
        """A statement of the revision is about to be sent."""
        self.statement, self._reads = statement, reads
        self.committed_part |= in_autocommit and _CONCURRENTLY.search(statement) is not None

    def executed(self, *, in_autocommit: bool, on_record: bool) -> None:
        """It succeeded."""
        self.committed_part |= in_autocommit and not self._reads
        self.emit("executed", autocommit=in_autocommit, on_record=on_record)

    def committed(self, *, has_written: bool, on_record: bool) -> None:
        """A connection commits; in the middle of a revision that means that part of it stays."""
        if self.is_inside and has_written:
            self.committed_part = True
            self.emit("committed", on_record=on_record)

    def leave(self) -> None:
        """This is a process that the revision has forked: what it sends is not the revision's."""
        self.is_inside = False

    def applied(self) -> int:
        """The revision is done, though not committed yet. Answers its duration in milliseconds."""
        self.is_inside = False
        return self._ran_for_ms()

    def end(self) -> None:
        """It is committed, unless `env.py` has a transaction around it; what fails from here on is not its fault."""
        self.emit("applied", id=self.revision, ms=self._ran_for_ms())
        self.revision = None

    def _ran_for_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


def attach(environment: EnvironmentContext, *, order: Order, progress: Progress) -> None:
    """Put our hooks where `env.py` calls `context.configure()`: on this one environment, not on Alembic's class."""
    configure = environment.configure
    seen: set[str] = set()

    def guarded_configure(connection: Connection | None = None, *rest: Any, **options: Any) -> None:
        progress.reached_configure = True
        if connection is not None:
            table = raise_fence(
                connection,
                control_pid=order.control_pid,
                lock_timeout_s=order.lock_timeout_s,
                emit=progress.emit,
                options=options,
                load=progress.journal.load,
            )
            seen.add(table)
            if len(seen) > 1:
                raise WorkerRefused(f"`env.py` migrates several version tables ({', '.join(sorted(seen))}), not one")
            options["transaction_per_migration"] = True
            options["on_version_apply"] = (*_as_tuple(options.get("on_version_apply")), _recorder(order, progress))
            progress.emit("configured", version_table=table)
        configure(connection, *rest, **options)

    environment.configure = guarded_configure  # type: ignore[method-assign]  # on the instance, on purpose


def announced(steps: Iterable[Any], progress: Progress) -> Iterator[Any]:
    """The steps one by one, each announced before Alembic runs it."""
    todo = list(steps)
    progress.emit("plan", steps=[step.info.up_revision_id for step in todo])
    for number, step in enumerate(todo, 1):
        title = (step.revision.doc or "").strip() if hasattr(step, "revision") else ""
        progress.begin(step.info.up_revision_id, number=number, of=len(todo), title=title)
        step.migration_fn = _watched(step.migration_fn, progress)
        yield step
        progress.end()


def _watched(work: Callable[..., None], progress: Progress) -> Callable[..., None]:
    @functools.wraps(work)  # Alembic shows its name
    def watched(**options: Any) -> None:
        try:
            work(**options)
        except BaseException:
            progress.when_it_fails()
            raise

    return watched


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
        ctx.connection.execute(text(first_settings(order.lock_timeout_s)))
        ctx.connection.execute(_INSERT, row)
        if progress.journal.has_rows:
            ctx.connection.execute(_FORGET, {"id": script.revision})
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


_FORGET = text("DELETE FROM tidegate.step WHERE revision = :id")


def _checksum(path: str | None) -> str | None:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple, set)) else (value,)
