"""What the database remembers: every run and every revision, in a schema of its own.

The schema is `tidegate`, so that Alembic's autogenerate, which looks at the default schema, never sees it.
`tidegate.revision` is written in the transaction that applies the revision (`hooks`), so it cannot say
anything that did not happen; an old image reads there what the newer images did, whose files it lacks.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg2
from psycopg2 import errors

from tidegate.connect import fetch_all, fetch_one
from tidegate.errors import DatabaseRefused
from tidegate.graph import Revision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

_TABLES = """
CREATE SCHEMA IF NOT EXISTS tidegate;
COMMENT ON SCHEMA tidegate IS 'The record of migrations, kept by tidegate. Layout 1.';
CREATE TABLE IF NOT EXISTS tidegate.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command text NOT NULL,
    who text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    application_version text,
    tidegate_version text NOT NULL,
    version_table text,
    from_revisions text[] NOT NULL,
    to_revisions text[],
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text NOT NULL DEFAULT 'running'
        CHECK (outcome IN ('running', 'succeeded', 'failed', 'interrupted', 'killed')),
    attempts integer NOT NULL DEFAULT 1,
    error text
);
CREATE TABLE IF NOT EXISTS tidegate.revision (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('upgrade', 'downgrade')),
    parents text[] NOT NULL,
    phase text CHECK (phase IN ('expand', 'backfill', 'contract')),
    checksum text,
    run_id bigint NOT NULL REFERENCES tidegate.run,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms integer NOT NULL
);
-- A server's role may be another one than the migrator's, and must be able to judge a newer database.
GRANT USAGE ON SCHEMA tidegate TO PUBLIC;
GRANT SELECT ON tidegate.revision TO PUBLIC;
GRANT SELECT (id, version_table) ON tidegate.run TO PUBLIC;
"""


class NewRun(NamedTuple):
    """What is known of a run when it starts."""

    command: str
    who: str
    host: str
    pid: int
    application_version: str | None
    tidegate_version: str
    from_revisions: list[str]


class Run(NamedTuple):
    """One run, as `history` shows it."""

    id: int
    command: str
    who: str
    host: str
    pid: int
    application_version: str | None
    tidegate_version: str
    from_revisions: list[str]
    to_revisions: list[str] | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    attempts: int
    error: str | None


class Applied(NamedTuple):
    """One step of one run: a revision that was applied or taken back."""

    seq: int
    id: str
    direction: str
    parents: list[str]
    phase: str | None
    checksum: str | None
    run_id: int
    applied_at: datetime
    duration_ms: int


def ensure_record(connection: Connection) -> None:
    """Make the schema and its tables if they are missing. Call it with the migration lock held.

    Raises:
        DatabaseRefused: The role may not create a schema.
    """
    if fetch_one(connection, "SELECT to_regclass('tidegate.revision') IS NOT NULL")[0]:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN;" + _TABLES + "COMMIT")
    except errors.InsufficientPrivilege as exc:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
        role, name = fetch_one(connection, "SELECT current_user, current_database()")
        raise DatabaseRefused(
            f"role `{role}` may not create the schema `tidegate`, where runs are recorded: {exc.diag.message_primary}",
            hint=f'as a superuser: `GRANT CREATE ON DATABASE "{name}" TO "{role}"`',
        ) from exc


def begin_run(connection: Connection, run: NewRun) -> int:
    """Write the run down as running, and those that were killed before it as killed. Answers its number.

    Called with the lock and the fence in hand, so whatever still says "running" is not.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tidegate.run SET outcome = 'killed', finished_at = clock_timestamp() WHERE outcome = 'running'"
        )
    columns = ", ".join(NewRun._fields)
    row = fetch_one(
        connection,
        f"INSERT INTO tidegate.run ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s::text[]) RETURNING id",  # noqa: S608 - names of our own
        run,
    )
    return int(row[0])


class Ending(NamedTuple):
    """What is known of a run when it ends."""

    outcome: str
    to_revisions: list[str]
    version_table: str | None
    error: str | None


def finish_run(connection: Connection, run_id: int, ending: Ending) -> None:
    """Write down how the run ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tidegate.run SET outcome = %s, to_revisions = %s::text[], version_table = %s, error = %s, "
            "finished_at = clock_timestamp() WHERE id = %s",
            (*ending, run_id),
        )


def recorded_revisions(connection: Connection) -> dict[str, Revision]:
    """Every revision that was ever applied through tidegate, as it was when last applied; empty without a record."""
    rows = _rows(
        connection,
        "SELECT DISTINCT ON (id) id, parents, phase FROM tidegate.revision "
        "WHERE direction = 'upgrade' ORDER BY id, seq DESC",
    )
    return {id_: Revision(id=id_, parents=tuple(parents), phase=phase) for id_, parents, phase in rows}


def runs(connection: Connection, limit: int) -> list[Run]:
    """The newest runs, newest first; none without a record."""
    columns = ", ".join(Run._fields)
    query = f"SELECT {columns} FROM tidegate.run ORDER BY id DESC LIMIT %s"  # noqa: S608 - names of our own
    return [Run(*row) for row in _rows(connection, query, (limit,))]


def steps(connection: Connection, run_ids: list[int]) -> list[Applied]:
    """What these runs applied or took back, newest first."""
    columns = ", ".join(Applied._fields)
    query = f"SELECT {columns} FROM tidegate.revision WHERE run_id = ANY(%s) ORDER BY seq DESC"  # noqa: S608 - as above
    return [Applied(*row) for row in _rows(connection, query, (run_ids,))]


def recorded_version_table(connection: Connection) -> str | None:
    """The version table of the last run that saw it; nothing without a record."""
    query = "SELECT version_table FROM tidegate.run WHERE version_table IS NOT NULL ORDER BY id DESC LIMIT 1"
    rows = _rows(connection, query)
    return rows[0][0] if rows else None


def running_run(connection: Connection) -> Run | None:
    """The run that says it is running, if there is one: the holder of the lock, or one that was killed."""
    newest = runs(connection, 1)
    return newest[0] if newest and newest[0].outcome == "running" else None


def _rows(connection: Connection, query: str, arguments: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    try:
        return fetch_all(connection, query, arguments)
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return []
    except psycopg2.errors.InsufficientPrivilege as exc:
        raise DatabaseRefused(
            f"this role may not read the record of migrations: {exc.diag.message_primary}",
            hint="`GRANT USAGE ON SCHEMA tidegate TO …; GRANT SELECT ON ALL TABLES IN SCHEMA tidegate TO …`",
        ) from exc
