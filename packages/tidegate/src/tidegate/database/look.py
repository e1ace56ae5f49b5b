"""The look without a lock: where a database is, in one round trip when nothing is to do."""

from __future__ import annotations

from contextlib import suppress

from tidegate.database.asking import LOCKED, MAY_NOT, MISSING, bounded, fetch_all, held_up, message_of, sqlstate_of
from tidegate.database.record import recorded_revisions, recorded_version_tables
from tidegate.errors import DatabaseRefused
from tidegate.report.state import Judgement, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.database.asking import Connection
    from tidegate.project.graph import Graph

DEFAULT_VERSION_TABLE = "alembic_version"
"""Alembic's own default, found through the session's search path as Alembic finds it."""


def look(connection: Connection, graph: Graph, version_table: str | None = None) -> Judgement:
    """The state of the database behind this connection. Takes no lock and writes nothing.

    Which table holds the revision, `env.py` decides. Without a setting it is Alembic's default or one that a run has
    seen, whichever knows this code's revisions: one database may serve several projects.

    Args:
        version_table: The table that the project names. Where it is missing, a table that a run has seen may hold this
            code's revisions in its place: the name may be one of several that `env.py` has.

    Raises:
        DatabaseRefused: The role may not read it.
    """
    first = version_table or DEFAULT_VERSION_TABLE
    at = _read(connection, first)
    if at and all(id_ in graph for id_ in at):
        return judge(graph, at, {})
    recorded = recorded_revisions(connection)
    if at is not None and version_table is not None:
        return judge(graph, at, recorded)
    seen = [at, *_readable(connection, recorded_version_tables(connection))]
    for ids in seen:
        if ids and any(id_ in graph for id_ in graph.closure(ids, recorded)):
            return judge(graph, ids, recorded)
    if at is None and version_table is None:  # nothing of this code's: what the last run saw is shown, if anything
        at = next((ids for ids in seen if ids), None)
    return judge(graph, at or [], recorded)


def _readable(connection: Connection, tables: list[str]) -> Iterator[list[str] | None]:
    """What these tables hold; those of other projects need not be ours to read."""
    for table in tables:
        with suppress(DatabaseRefused):
            yield _read(connection, table)


def current_revisions(connection: Connection, version_table: str | None = None) -> list[str]:
    """The revisions that the version table holds, for verbs that work without the code; none when there is no table."""
    found = _read(connection, version_table or DEFAULT_VERSION_TABLE)
    if found is None:
        found = next(filter(None, _readable(connection, recorded_version_tables(connection))), None)
    return found or []


def _read(connection: Connection, table: str) -> list[str] | None:
    quoted = ".".join('"{}"'.format(part.replace('"', '""')) for part in table.split("."))
    try:
        query = bounded(connection, f"SELECT version_num FROM {quoted}")  # noqa: S608 - quoted
        return [row[0] for row in fetch_all(connection, query)]
    except Exception as exc:
        sqlstate = sqlstate_of(exc)
        if sqlstate == LOCKED:
            raise held_up(connection, f"no answer: somebody has locked `{table}`") from exc
        if sqlstate in MISSING:
            return None
        if sqlstate != MAY_NOT:
            raise
        raise DatabaseRefused(
            f"this role may not read `{table}`: {message_of(exc)}", hint=f"`GRANT SELECT ON {table} TO …`"
        ) from exc
