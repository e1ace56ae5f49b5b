"""The tables of the record, and how one that an earlier version made is brought up to date."""

from __future__ import annotations

import time

import psycopg2
from psycopg2 import errors

from tidegate.database import step
from tidegate.database.asking import fetch_one
from tidegate.errors import DatabaseRefused, LockBusy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

_SCHEMA = "CREATE SCHEMA tidegate;"
"""Only where there is none: `IF NOT EXISTS` wants the right to make one all the same."""

_TABLES = """
COMMENT ON SCHEMA tidegate IS 'The record of migrations, kept by tidegate. Layout 3.';
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
    error text,
    before_command text,
    before_exit_code integer,
    before_ms bigint
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
-- What a monitoring role needs for `tidegate metrics`; the texts, which may quote values, stay private.
GRANT SELECT (started_at, finished_at, outcome, attempts) ON tidegate.run TO PUBLIC;
"""

_LAYOUT_2 = """
ALTER TABLE tidegate.run ADD COLUMN IF NOT EXISTS before_command text,
    ADD COLUMN IF NOT EXISTS before_exit_code integer, ADD COLUMN IF NOT EXISTS before_ms bigint;
GRANT SELECT (started_at, finished_at, outcome, attempts) ON tidegate.run TO PUBLIC;
COMMENT ON SCHEMA tidegate IS 'The record of migrations, kept by tidegate. Layout 3.';
"""
"""What a record of an earlier version lacks. The columns need no rewrite; readers of an old record do without them."""

LAYOUT_TRIES = 100
"""How often the record is tried to be brought up to date, 100 ms each: who reads it must not queue behind us."""


def ensure_record(connection: Connection) -> None:
    """Make the schema and its tables if they are missing, or as they are today. Call it with the lock held.

    Raises:
        DatabaseRefused: The role may not.
        LockBusy: Somebody has the old record open and does not let go of it.
    """
    has_schema, is_there, is_up_to_date = fetch_one(
        connection,
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'tidegate'), "
        "to_regclass('tidegate.revision') IS NOT NULL, EXISTS (SELECT FROM pg_attribute "
        "WHERE attrelid = to_regclass('tidegate.run') AND attname = 'before_ms' AND NOT attisdropped) "
        "AND to_regclass('tidegate.step') IS NOT NULL",
    )
    if is_there and is_up_to_date:
        return
    try:
        _change(connection, ("" if has_schema else _SCHEMA) + (_LAYOUT_2 if is_there else _TABLES) + step.TABLE)
    except errors.InsufficientPrivilege as exc:
        role, name = fetch_one(connection, "SELECT current_user, current_database()")
        if is_there:
            raise DatabaseRefused(
                f"role `{role}` may not bring the record of migrations up to date: {exc.diag.message_primary}",
                hint="migrate as the role that owns the tables of the schema `tidegate`",
            ) from exc
        if has_schema:
            raise DatabaseRefused(
                f"role `{role}` may not make the record of migrations: {exc.diag.message_primary}",
                hint=f'as a superuser: `ALTER SCHEMA tidegate OWNER TO "{role}"`',
            ) from exc
        raise DatabaseRefused(
            f"role `{role}` may not create the schema `tidegate`, where runs are recorded: {exc.diag.message_primary}",
            hint=f'as a superuser: `GRANT CREATE ON DATABASE "{name}" TO "{role}"`',
        ) from exc


def _change(connection: Connection, statements: str) -> None:
    for _ in range(LAYOUT_TRIES):
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN; SET LOCAL lock_timeout = '100ms';" + statements + "COMMIT")
        except psycopg2.Error as exc:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
            if not isinstance(exc, errors.LockNotAvailable):
                raise
            time.sleep(0.05)
        else:
            return
    raise LockBusy(
        "the record of migrations must be brought up to date, but another session has `tidegate.run` open",
        hint="end that session (`pg_locks` names it), or repeat the command when it is done",
        holder_pid=None,
        waited_s=LAYOUT_TRIES * 0.15,
    )
