"""The gate: keeps a server off a schema it cannot work with, and lets it in by itself once the schema is right.

A thread of its own looks once a second over one connection of its own, so that it needs neither the
server's event loop nor its pool and says the truth when both are stuck. It never migrates. The driver is psycopg2, or
asyncpg where the server has that loaded anyway; only the one that is used is imported.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from tidegate.database.look import look
from tidegate.database.url import find_database
from tidegate.errors import TidegateError, UsageError
from tidegate.project.configuration import read_project
from tidegate.project.graph import read_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from tidegate.database.asking import Looking
    from tidegate.database.url import Database
    from tidegate.report.state import Judgement

FIRST_LOOK_S = 1.0
"""How long `start` waits for the first look, so that a server whose schema is right never answers "not yet"."""


STALE_S = 5.0
"""How old a look may be, beyond the interval, before "open" is no longer believed."""


class Report(NamedTuple):
    """What the gate saw last."""

    is_open: bool
    database: str
    """`ok`, or `unreachable`."""
    state: str | None
    """One of the states of `tidegate status`; nothing before the database was reached."""
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    reason: str
    """A clause for people."""


class SchemaGate:
    """Open while the server may serve. Reading `report` takes no lock and no time.

    Args:
        config: The Alembic configuration file; its revision files are read once, here.
        database_url: The database; as `tidegate status` finds it if left out.
        interval: Pause between looks.
        driver: What to look with. `asyncpg` saves 6 MB in a server that has it loaded; it must be installed.

    Raises:
        UsageError: No such file, revision files that contradict each other, no URL, or no such driver.
    """

    def __init__(
        self,
        config: str = "alembic.ini",
        *,
        database_url: str | None = None,
        interval: timedelta = timedelta(seconds=1),
        environ: Mapping[str, str] | None = None,
        driver: Literal["psycopg2", "asyncpg"] = "psycopg2",
    ) -> None:
        self._connect = _way_to_connect(driver)
        project = read_project(config)
        self._graph = read_graph(project)
        self._version_table = project.version_table
        self._database = find_database(database_url, environ or os.environ, project.sqlalchemy_url)
        self._interval_s = interval.total_seconds()
        self._connection: Looking | None = None
        self._stopped = threading.Event()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_at = time.monotonic()
        self._report = Report(
            is_open=False,
            database="unreachable",
            state=None,
            current=(),
            heads=self._graph.heads,
            pending=(),
            reason="the database has not been reached yet",
        )

    @property
    def report(self) -> Report:
        """What the gate saw last; closed when that was too long ago, as when the database hangs."""
        age_s = time.monotonic() - self._looked_at
        if age_s <= self._interval_s + STALE_S or not self._report.is_open:
            return self._report
        return self._report._replace(
            is_open=False, database="unreachable", reason=f"the database has not answered for {age_s:.0f} s"
        )

    def start(self) -> None:
        """Begin to look; returns after the first look or a second, whichever comes first."""
        self._thread = threading.Thread(target=self._watch, name="tidegate-gate", daemon=True)
        self._thread.start()
        self._looked.wait(FIRST_LOOK_S)

    def stop(self) -> None:
        """End the looking and close the connection."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self._report = self._look()
            self._looked_at = time.monotonic()
            self._looked.set()
            self._stopped.wait(self._interval_s)
        self._disconnect()

    def _look(self) -> Report:
        try:
            return _report(self._judgement())
        except Exception as exc:  # noqa: BLE001 - a gate that dies would never open again
            self._disconnect()
            message = exc.message if isinstance(exc, TidegateError) else f"the look failed: {type(exc).__name__}"
            return self._report._replace(is_open=False, database="unreachable", reason=message)

    def _judgement(self) -> Judgement:
        """Over the connection of the last look if it still works, else over a new one."""
        if self._connection is not None:
            with suppress(*self._connection.failures):
                return look(self._connection, self._graph, self._version_table)
            self._disconnect()
        self._connection = self._connect(self._database)
        return look(self._connection, self._graph, self._version_table)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(*self._connection.failures):
                self._connection.close()
        self._connection = None


def _way_to_connect(driver: str) -> Callable[[Database], Looking]:
    if driver == "psycopg2":
        from tidegate.database.connect import connect

        return lambda database: connect(database, purpose="gate")
    if driver != "asyncpg":
        raise UsageError(f"the gate knows no driver `{driver}`", hint="give it `psycopg2` or `asyncpg`")
    try:
        from tidegate.database.over_asyncpg import AsyncpgSession
    except ImportError as exc:
        raise UsageError(
            f"the gate shall look with asyncpg, which cannot be imported: {exc}",
            hint="`pip install asyncpg`, or leave `driver` out",
        ) from exc
    return AsyncpgSession


def _report(judgement: Judgement) -> Report:
    return Report(
        is_open=judgement.may_serve,
        database="ok",
        state=judgement.state,
        current=judgement.current,
        heads=judgement.heads,
        pending=tuple(revision.id for revision in judgement.pending),
        reason=judgement.reason,
    )
