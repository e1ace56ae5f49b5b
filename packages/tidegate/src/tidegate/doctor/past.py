"""What is known of runs: who holds the lock, and which never ended."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from psycopg2 import errors

from tidegate.database.asking import fetch_all
from tidegate.database.lock import FENCE, MUTEX
from tidegate.doctor.finding import Finding
from tidegate.doctor.traffic import holders_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement

OWN_COMMAND = "tidegate doctor"
"""How the record names runs that mended and did not migrate."""

STUCK_AFTER_S = 60.0
"""A run asks its control connection every second whether it lives; after a minute of silence nobody is there."""

_MARK_KILLED = (
    "UPDATE tidegate.run SET outcome = 'killed', finished_at = clock_timestamp() WHERE id = {} AND outcome = 'running';"
)


class _Run(NamedTuple):
    id: int
    command: str
    who: str
    host: str
    pid: int
    started_at: datetime
    outcome: str
    error: str | None

    def __str__(self) -> str:
        return f"run {self.id} (`{self.command}` by {self.who} on {self.host}, {self.started_at:%Y-%m-%d %H:%M:%S %Z})"


def lock_holders(connection: Connection) -> Iterator[Finding]:
    """Who holds the migration lock, for which run, and whether anybody is there any more."""
    for holder in holders_of(connection, MUTEX):
        try:
            run = "".join(f" for {run}" for run in _runs(connection, "outcome = 'running'"))
        except errors.InsufficientPrivilege:
            run = ""
        what = f"{holder} holds the migration lock{run}"
        is_silent = holder.state == "idle" and (holder.since_s or 0.0) > STUCK_AFTER_S
        if is_silent and not holders_of(connection, FENCE):
            end = (f"SELECT pg_terminate_backend({holder.pid});",)
            then = "see first that this process is gone; its name ends in host and process id"
            yield Finding("stuck_holder", f"{what}, and says nothing: {holder.doing}", end, then=then)
        else:
            yield Finding("lock_held", what)


def unfinished_runs(
    connection: Connection, graph: Graph | None, seen: Judgement | None, options: str
) -> Iterator[Finding]:
    """Runs that say "running" while nobody holds the lock.

    A run writes its row with the lock held and corrects it before it lets go, so a row that says the same
    before and behind the look at the lock is nobody's.
    """
    if not _runs(connection, "outcome = 'running'") or holders_of(connection, MUTEX):
        return
    for run in _runs(connection, "outcome = 'running'"):
        at = _interrupted_revision(run, graph, seen)
        where = f"; revision `{at}` and what follows are not applied" if at else ""
        yield Finding(
            "unfinished_run",
            f"{run} is on record as running, and nobody runs it{where}",
            (command_again(run.command, options) if at else f"{OWN_COMMAND} --fix{options}",),
            fix=(_MARK_KILLED.format(run.id),),
        )


def command_again(command: str, options: str) -> str:
    """The command that repeats a run; one that was part of a start is repeated by itself."""
    try:
        program, verb, *rest = shlex.split(command)
    except ValueError:
        program = verb = ""
        rest = []
    if verb not in {"upgrade", "downgrade"} or program not in {"tidegate", "alembic"}:
        return f"tidegate upgrade{options}"
    before, behind = (options, "") if program == "alembic" else ("", options)
    return f"{program}{before} {shlex.join([verb, *rest])}{behind}"


def _interrupted_revision(run: _Run, graph: Graph | None, seen: Judgement | None) -> str | None:
    if graph is None or seen is None or run.command.startswith(OWN_COMMAND):
        return None
    if " downgrade" in run.command:
        return next((id_ for id_ in seen.current if id_ in graph), None)
    return seen.pending[0].id if seen.pending else None


def _runs(connection: Connection, where: str) -> list[_Run]:
    if not fetch_all(connection, "SELECT WHERE to_regclass('tidegate.run') IS NOT NULL"):
        return []
    columns = ", ".join(_Run._fields)
    return [_Run(*row) for row in fetch_all(connection, f"SELECT {columns} FROM tidegate.run WHERE {where}")]  # noqa: S608 - our own text
