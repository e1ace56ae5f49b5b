"""Revisions of which a part is committed: `journal` keeps a row for each such statement until the revision is done."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.asking import fetch_all
from tidegate.database.lock import MUTEX
from tidegate.doctor.finding import Finding
from tidegate.doctor.past import command_again
from tidegate.doctor.traffic import holders_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement

SHOWN = 3
"""How many statements of a half-done revision are told; the first say where it stands."""


class _Part(NamedTuple):
    revision: str
    direction: str
    run_id: int
    command: str
    done: list[str]
    """What is committed of it."""
    stuck: str | None
    """The statement from which the next run cannot go on by itself."""
    forget: str
    """What makes tidegate forget that a part is committed."""


def half_done_steps(
    connection: Connection, graph: Graph | None, seen: Judgement | None, options: str
) -> Iterator[Finding]:
    """Revisions that a run left half done, and rows that are left of one that something else has finished."""
    if graph is None or seen is None or holders_of(connection, MUTEX):
        return
    applied = graph.closure(seen.current)
    for part in _parts(connection):
        if (part.revision in applied) == (part.direction == "upgrade"):
            yield _stale(part)
        else:
            yield _half_done(part, command_again(part.command, options))


def _half_done(part: _Part, again: str) -> Finding:
    shown = "; ".join(" ".join(statement.split())[:100] for statement in part.done[:SHOWN])
    more = f" and {len(part.done) - SHOWN} more" if len(part.done) > SHOWN else ""
    done = f"{shown or 'nothing for sure'}{more}"
    what = f"revision `{part.revision}` is half done since run {part.run_id}; committed: {done}"
    if part.stuck is None:
        return Finding("half_done_step", what, (again,), then="it leaves out what is committed and does the rest")
    return Finding(
        "half_done_step",
        f"{what}; it cannot go on by itself because of `{' '.join(part.stuck.split())}`",
        advice="bring the database by hand to where the revision begins, or to its end and say so with "
        f"`alembic stamp`; then `{part.forget}` and `{again}`",
    )


def _stale(part: _Part) -> Finding:
    what = (
        f"revision `{part.revision}` was half done in run {part.run_id}, and something else than tidegate finished it"
    )
    return Finding("stale_step", what, (part.forget,), fix=(part.forget,))


def _parts(connection: Connection) -> list[_Part]:
    if not fetch_all(connection, "SELECT WHERE to_regclass('tidegate.step') IS NOT NULL"):
        return []
    rows = fetch_all(
        connection,
        "SELECT s.revision, s.direction, max(s.run_id), "
        "coalesce((SELECT command FROM tidegate.run WHERE id = max(s.run_id)), 'tidegate upgrade'), "
        "coalesce(array_agg(s.statement ORDER BY s.seq) FILTER (WHERE s.is_done), '{}'), "
        "min(s.statement) FILTER (WHERE NOT s.is_resumable), "
        "'DELETE FROM tidegate.step WHERE revision = ' || quote_literal(s.revision) || "
        "' AND direction = ' || quote_literal(s.direction) || ';' "
        "FROM tidegate.step s GROUP BY s.revision, s.direction ORDER BY min(s.seq)",
    )
    return [_Part(*row) for row in rows]
