"""`tidegate metrics`: what one look tells, as Prometheus reads it; for a scrape or a textfile collector.

Every metric has the label `database`, since a textfile collector refuses two files that say the same of one name.
"""

from __future__ import annotations

import os
import tempfile
from typing import NamedTuple

from tidegate.database.connect import connected
from tidegate.database.lock import FENCE, MUTEX, holders
from tidegate.database.look import look
from tidegate.database.record import last_ended, outcomes, steps
from tidegate.errors import DatabaseRefused, DatabaseUnreachable, TidegateError, UsageError
from tidegate.project.graph import read_graph
from tidegate.report.state import EXIT_CODES
from tidegate.version import tidegate_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.report.state import Judgement
    from tidegate.report.target import Target

ENDED = ("succeeded", "failed", "interrupted", "killed")
"""Outcomes of a run that is over."""

READABLE_BY_ALL = 0o644
"""Mode of the file: the collector is another user."""


class Metric(NamedTuple):
    """One metric with all its samples."""

    name: str
    kind: str
    help: str
    samples: list[tuple[dict[str, str], float]]


class Scrape(NamedTuple):
    """What a look gave, and what went wrong with it."""

    metrics: list[Metric]
    error: TidegateError | None

    def as_text(self, database: str) -> str:
        """Prometheus' text format, version 0.0.4, each sample with the label `database`."""
        return "".join(line + "\n" for metric in self.metrics if metric.samples for line in _lines(metric, database))


def scrape(target: Target, tell: Callable[[str], None]) -> Scrape:
    """The metrics of the target's database; of one that does not answer, that it does not. Only reads."""
    graph = read_graph(target.project)
    build = Metric("tidegate_build_info", "gauge", "Version of tidegate.", [({"version": tidegate_version()}, 1)])
    try:
        with connected(target.database, wait_s=target.waits.for_db_s, purpose="metrics") as connection:
            seen = list(_of_schema(look(connection, graph, target.project.version_table)))
            is_held = bool(holders(connection, MUTEX) or holders(connection, FENCE))
            seen.append(_plain("tidegate_lock_held", "Whether a run holds the migration lock.", is_held))
            seen += _of_record(connection, tell)
    except (DatabaseUnreachable, DatabaseRefused) as exc:
        return Scrape([_up(is_up=False), build], exc)
    return Scrape([_up(is_up=True), build, *seen], None)


def write_file(path: str, text: str) -> None:
    """Put the text where a collector reads it, whole or not at all: it never sees half a file.

    Raises:
        UsageError: The folder does not let us.
    """
    folder, name = os.path.split(os.path.abspath(path))
    try:
        fd, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)  # ends in no `.prom`, so it is not collected
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), READABLE_BY_ALL)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as exc:
        raise UsageError(
            f"cannot write `{path}`: {os.strerror(exc.errno or 0).lower()}",
            hint="name a file in a folder that exists and that this user may write to",
        ) from exc


def _of_schema(now: Judgement) -> Iterator[Metric]:
    states: list[tuple[dict[str, str], float]] = [({"state": name}, name == now.state) for name in EXIT_CODES]
    yield Metric("tidegate_schema_state", "gauge", "1 for the state that the schema is in, 0 for the others.", states)
    yield _plain("tidegate_schema_may_serve", "Whether this code can serve on the schema.", now.may_serve)
    at: list[tuple[dict[str, str], float]] = [({"revision": id_}, 1) for id_ in now.current]
    yield Metric("tidegate_schema_revision_info", "gauge", "Revisions that the database is at.", at)
    yield _plain("tidegate_pending_revisions", "Revisions of the code that the database lacks.", len(now.pending))


def _of_record(connection: Connection, tell: Callable[[str], None]) -> Iterator[Metric]:
    try:
        counted = outcomes(connection)
        ended = last_ended(connection)
    except DatabaseRefused as exc:
        tell(f"warning: no metrics of runs: {exc.message}")
        return
    runs: list[tuple[dict[str, str], float]] = [({"outcome": name}, counted.get(name, 0)) for name in ENDED]
    yield Metric("tidegate_runs_total", "counter", "Runs on record by how they ended.", runs)
    if ended is None:
        return
    yield _plain("tidegate_last_run_timestamp_seconds", "When the last run ended.", ended.finished_s)
    yield _plain(
        "tidegate_last_run_duration_seconds", "How long the last run took.", ended.finished_s - ended.started_s
    )
    yield _plain("tidegate_last_run_success", "Whether the last run succeeded.", ended.outcome == "succeeded")
    took: list[tuple[dict[str, str], float]] = [
        ({"revision": step.id, "direction": step.direction}, step.duration_ms / 1000)
        for step in reversed(steps(connection, [ended.id]))
    ]
    name = "tidegate_last_run_revision_duration_seconds"
    yield Metric(name, "gauge", "How long each revision of the last run took.", took)


def _up(*, is_up: bool) -> Metric:
    return _plain("tidegate_up", "Whether the database answered.", is_up)


def _plain(name: str, meaning: str, value: float) -> Metric:
    return Metric(name, "gauge", meaning, [({}, value)])


def _lines(metric: Metric, database: str) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in metric.samples:
        text = ",".join(f'{name}="{_escaped(said)}"' for name, said in {"database": database, **labels}.items())
        yield f"{metric.name}{{{text}}} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
