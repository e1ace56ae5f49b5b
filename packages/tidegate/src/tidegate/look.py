"""The look without a lock: where a database is, in one round trip when nothing is to do."""

from __future__ import annotations

from psycopg2 import errors

from tidegate.connect import fetch_all
from tidegate.errors import DatabaseRefused
from tidegate.record import recorded_revisions, recorded_version_table
from tidegate.state import Judgement, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.graph import Graph

DEFAULT_VERSION_TABLE = "alembic_version"
"""Alembic's own default, found through the session's search path as Alembic finds it."""


def look(connection: Connection, graph: Graph, version_table: str | None = None) -> Judgement:
    """The state of the database behind this connection. Takes no lock and writes nothing.

    The record is read only when the version table names a revision that the code does not have.
    """
    at = current_revisions(connection, version_table)
    recorded = {} if all(id_ in graph for id_ in at) else recorded_revisions(connection)
    return judge(graph, at, recorded)


def current_revisions(connection: Connection, version_table: str | None = None) -> list[str]:
    """The revisions that the version table holds; none when there is no such table.

    Which table that is, `env.py` decides; without a setting it is Alembic's default or what the last run saw.

    Raises:
        DatabaseRefused: The role may not read it.
    """
    found = _read(connection, version_table or DEFAULT_VERSION_TABLE)
    if found is None and version_table is None and (recorded := recorded_version_table(connection)):
        found = _read(connection, recorded)
    return found or []


def _read(connection: Connection, table: str) -> list[str] | None:
    quoted = ".".join('"{}"'.format(part.replace('"', '""')) for part in table.split("."))
    try:
        return [row[0] for row in fetch_all(connection, f"SELECT version_num FROM {quoted}")]  # noqa: S608 - quoted
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None
    except errors.InsufficientPrivilege as exc:
        raise DatabaseRefused(
            f"this role may not read `{table}`: {exc.diag.message_primary}", hint=f"`GRANT SELECT ON {table} TO …`"
        ) from exc
