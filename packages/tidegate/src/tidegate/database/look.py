"""The look without a lock: where a database is, in one round trip when nothing is to do."""

from __future__ import annotations

from contextlib import suppress

from psycopg2 import errors

from tidegate.database.answer import HeldUp, lock_timeout_of
from tidegate.database.connect import fetch_all
from tidegate.database.record import recorded_revisions, recorded_version_tables
from tidegate.errors import DatabaseRefused
from tidegate.report.state import Judgement, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

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
        wait = f"SET LOCAL lock_timeout = '{lock_timeout_of(connection)}'"  # the two are one transaction, and one trip
        return [row[0] for row in fetch_all(connection, f"{wait}; SELECT version_num FROM {quoted}")]  # noqa: S608 - quoted
    except errors.LockNotAvailable as exc:
        raise HeldUp(f"no answer: somebody has locked `{table}`") from exc
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None
    except errors.InsufficientPrivilege as exc:
        raise DatabaseRefused(
            f"this role may not read `{table}`: {exc.diag.message_primary}", hint=f"`GRANT SELECT ON {table} TO …`"
        ) from exc
