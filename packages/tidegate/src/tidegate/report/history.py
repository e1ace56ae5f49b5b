"""`tidegate history`: the runs on record and what each applied.

The record is in a schema of its own, which no downgrade touches, so it outlives `downgrade base`.
"""

from __future__ import annotations

from datetime import UTC
from typing import NamedTuple

from tidegate.database.connect import connected
from tidegate.database.lock import FENCE, MUTEX, holders
from tidegate.database.look import current_revisions
from tidegate.database.record import Applied, Run, runs, steps
from tidegate.errors import UsageError
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.report.target import Target

WIDTH = 100
"""Columns. What does not fit is cut in the list, and whole in `--run N`."""


class Wanted(NamedTuple):
    """Which runs to show."""

    limit: int = 20
    outcome: str | None = None
    since: datetime | None = None
    revision: str | None = None
    """One that they applied, took back or failed at; its beginning is enough."""
    run: int | None = None

    def is_everything(self) -> bool:
        """Whether nothing but the number of runs is limited."""
        return self[1:] == (None, None, None, None)


class History(NamedTuple):
    """Runs, newest first, with their steps."""

    runs: list[Run]
    steps: list[Applied]
    nothing: str = "no run on record"
    """What to say when there is none."""
    is_whole: bool = False
    """Whether one run is shown with everything that is known of it."""

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        return {"runs": [_plain(run) | {"revisions": [_plain(step) for step in self._of(run)]} for run in self.runs]}

    def as_text(self) -> str:
        """The same for people, in 100 columns where one run is not shown whole."""
        show = _whole if self.is_whole else _in_brief
        return "\n".join(line for run in self.runs for line in show(run, self._of(run))) or self.nothing

    def _of(self, run: Run) -> list[Applied]:
        return [step for step in self.steps if step.run_id == run.id]


def read_history(target: Target, wanted: Wanted) -> History:
    """The wanted runs on record in the target's database.

    Raises:
        UsageError: One run is wanted, and there is no such run.
    """
    with connected(target.database, wait_s=target.waits.for_db_s, purpose="history") as connection:
        found = _found(connection, wanted)
        if wanted.run is not None and not found:
            raise UsageError(f"there is no run {wanted.run} on record", hint="`tidegate history` lists the last ones")
        nothing = "" if found else _why_none(connection, target, wanted)
        taken = steps(connection, [run.id for run in found])
        return History(found, taken, nothing, is_whole=wanted.run is not None)


def _found(connection: Connection, wanted: Wanted) -> list[Run]:
    conditions: dict[str, tuple[object, ...]] = {}
    if wanted.outcome is not None:  # who was killed says "running" until the next run
        conditions["run.outcome IN (%s, 'running')" if wanted.outcome == "killed" else "run.outcome = %s"] = (
            wanted.outcome,
        )
    if wanted.since is not None:
        conditions["run.started_at >= %s"] = (wanted.since,)
    if wanted.revision is not None:
        conditions[
            "(EXISTS (SELECT FROM tidegate.revision r WHERE r.run_id = run.id AND starts_with(r.id, %s)) "
            "OR strpos(run.error, 'revision `' || %s) > 0)"
        ] = (wanted.revision, wanted.revision)
    if wanted.run is not None:
        conditions["run.id = %s"] = (wanted.run,)
    arguments = tuple(argument for values in conditions.values() for argument in values)
    found = runs(connection, wanted.limit, condition=" AND ".join(conditions) or "true", arguments=arguments)
    found = [_seen_dead(connection, run) if run.outcome == "running" else run for run in found]
    return [run for run in found if wanted.outcome in {None, run.outcome}]


def _seen_dead(connection: Connection, run: Run) -> Run:
    """The run as killed, if it says that it is running and nobody holds a lock."""
    if holders(connection, MUTEX) or holders(connection, FENCE):
        return run
    (again,) = runs(connection, 1, condition="run.id = %s", arguments=(run.id,))  # it may have ended meanwhile
    return again._replace(outcome="killed") if again.outcome == "running" else again


def _why_none(connection: Connection, target: Target, wanted: Wanted) -> str:
    if not wanted.is_everything() and runs(connection, 1):
        return "no run on record is like that; `tidegate history` lists the last ones"
    at = current_revisions(connection, target.project.version_table)
    if at:
        return f"no run on record: the database is at `{', '.join(at)}`, and was migrated without tidegate"
    return "no run on record: nothing was migrated here yet"


def _in_brief(run: Run, taken: list[Applied]) -> Iterator[str]:
    yield _headline(run)
    yield _cut(f"    {_origin(run)}")
    if run.before_command is not None:
        yield _cut(f"    before: {_ending_of_before(run)}  `{run.before_command}`")
    for step in reversed(taken):
        yield _cut(f"    {_sign(step)} {_named(step)}  {show_duration(step.duration_ms / 1000)}")
    if run.error:
        yield _cut(f"    error: {run.error.splitlines()[0]}")


def _whole(run: Run, taken: list[Applied]) -> Iterator[str]:
    yield _headline(run)
    yield f"    command    {run.command}"
    yield f"    who        {run.who} on {run.host}, pid {run.pid}"
    yield f"    version    {run.application_version or 'unknown'}, tidegate {run.tidegate_version}"
    yield f"    from       {', '.join(run.from_revisions) or 'no revision'}"
    yield f"    to         {'not known' if run.to_revisions is None else ', '.join(run.to_revisions) or 'no revision'}"
    yield f"    attempts   {run.attempts}"
    if run.before_command is not None:
        yield f"    before     {run.before_command}"
        yield f"               {_ending_of_before(run)}"
    for step in reversed(taken):
        yield f"    {_sign(step)} {_named(step)}"
        yield f"        {_moment(step.applied_at)}, took {show_duration(step.duration_ms / 1000)}"
        yield f"        after {', '.join(step.parents) or 'nothing'}; file {(step.checksum or 'unknown')[:16]}"
    for number, line in enumerate((run.error or "").splitlines()):
        yield f"    {'error     ' if number == 0 else '          '} {line}"


def _headline(run: Run) -> str:
    took = f", took {show_duration((run.finished_at - run.started_at).total_seconds())}" if run.finished_at else ""
    attempts = f", {run.attempts} attempts" if run.attempts > 1 else ""
    return f"run {run.id}  {run.outcome}  {_moment(run.started_at)}{took}{attempts}"


def _origin(run: Run) -> str:
    version = f", version {run.application_version}" if run.application_version else ""
    return f"`{run.command}` by {run.who} on {run.host}{version}"


def _sign(step: Applied) -> str:
    return "+" if step.direction == "upgrade" else "-"


def _named(step: Applied) -> str:
    return f"{step.id}{f' ({step.phase})' if step.phase else ''}"


def _ending_of_before(run: Run) -> str:
    if run.before_exit_code is None or run.before_ms is None:
        return "did not end"
    return f"exit code {run.before_exit_code}, took {show_duration(run.before_ms / 1000)}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _plain(row: Run | Applied) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row._asdict().items()}
