"""`tidegate history`: the runs on record and what each applied."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.connect import connected
from tidegate.duration import show_duration
from tidegate.lock import FENCE, MUTEX, holders
from tidegate.record import Applied, Run, runs, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.target import Target


class History(NamedTuple):
    """Runs, newest first, with their steps."""

    runs: list[Run]
    steps: list[Applied]

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        return {"runs": [_plain(run) | {"revisions": [_plain(step) for step in self._of(run)]} for run in self.runs]}

    def as_text(self) -> str:
        """The same for people."""
        if not self.runs:
            return "no run on record"
        return "\n".join(line for run in self.runs for line in self._lines(run))

    def _lines(self, run: Run) -> list[str]:
        took = f" in {show_duration((run.finished_at - run.started_at).total_seconds())}" if run.finished_at else ""
        version = f", version {run.application_version}" if run.application_version else ""
        head = f"run {run.id}  {run.started_at:%Y-%m-%d %H:%M:%S %Z}  {run.outcome}{took}"
        lines = [f"{head}  `{run.command}` by {run.who} on {run.host}{version}"]
        lines += [
            f"    {'+' if step.direction == 'upgrade' else '-'} {step.id}"
            f"{f' ({step.phase})' if step.phase else ''} in {show_duration(step.duration_ms / 1000)}"
            for step in reversed(self._of(run))
        ]
        return lines + ([f"    {run.error.splitlines()[0]}"] if run.error else [])

    def _of(self, run: Run) -> list[Applied]:
        return [step for step in self.steps if step.run_id == run.id]


def read_history(target: Target, limit: int) -> History:
    """The newest runs on record in the target's database; none where there is no record."""
    with connected(target.database, wait_s=target.waits.for_db_s, purpose="history") as connection:
        found = _as_they_are(connection, runs(connection, limit))
        return History(found, steps(connection, [run.id for run in found]))


def _as_they_are(connection: Connection, found: list[Run]) -> list[Run]:
    """The runs, with those that nobody is at any more shown as killed.

    A killed run is written down as such by the next one that has something to do. One that was killed behind its
    last revision, before it wrote its end down, may wait long for that.
    """
    if all(run.outcome != "running" for run in found) or holders(connection, MUTEX) or holders(connection, FENCE):
        return found
    return [run._replace(outcome="killed") if run.outcome == "running" else run for run in found]


def _plain(row: Run | Applied) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row._asdict().items()}
