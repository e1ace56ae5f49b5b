"""What the database remembers: every run and every revision, in a schema of its own.

The schema is `tidegate`, so that Alembic's autogenerate, which looks at the default schema, never sees it.
`tidegate.revision` is written in the transaction that applies the revision (`hooks`), so it cannot say
anything that did not happen; an old image reads there what the newer images did, whose files it lacks.
"""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.asking import MAY_NOT, MISSING, fetch_all, fetch_one, message_of, sqlstate_of
from tidegate.errors import DatabaseRefused
from tidegate.project.graph import Revision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from tidegate.database.asking import Connection


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
    before_command: str | None
    before_exit_code: int | None
    before_ms: int | None


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


_NEWER = {
    "before_command": "to_jsonb(run) ->> 'before_command'",
    "before_exit_code": "(to_jsonb(run) ->> 'before_exit_code')::int",
    "before_ms": "(to_jsonb(run) ->> 'before_ms')::bigint",
}


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
    attempts: int = 1


def finish_run(connection: Connection, run_id: int, ending: Ending) -> None:
    """Write down how the run ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tidegate.run SET outcome = %s, to_revisions = %s::text[], version_table = %s, error = %s, "
            "attempts = %s, finished_at = clock_timestamp() WHERE id = %s",
            (*ending, run_id),
        )


def begin_before(connection: Connection, run_id: int, command: str) -> None:
    """Write down that the command before the run was started."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tidegate.run SET before_command = %s WHERE id = %s", (command, run_id))


def finish_before(connection: Connection, run_id: int, exit_code: int, duration_ms: int) -> None:
    """Write down how it ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tidegate.run SET before_exit_code = %s, before_ms = %s WHERE id = %s",
            (exit_code, duration_ms, run_id),
        )


def recorded_revisions(connection: Connection) -> dict[str, Revision]:
    """Every revision that was ever applied through tidegate, as it was when last applied; empty without a record."""
    rows = _rows(
        connection,
        "SELECT DISTINCT ON (id) id, parents, phase FROM tidegate.revision "
        "WHERE direction = 'upgrade' ORDER BY id, seq DESC",
    )
    return {id_: Revision(id=id_, parents=tuple(parents), phase=phase) for id_, parents, phase in rows}


def runs(
    connection: Connection, limit: int, *, condition: str = "true", arguments: tuple[object, ...] = ()
) -> list[Run]:
    """The newest runs of which the condition is true, newest first; none without a record.

    The newer columns are read through `to_jsonb`, so that a record of an earlier version is one too.
    """
    columns = ", ".join(_NEWER.get(name, f"run.{name}") for name in Run._fields)
    query = f"SELECT {columns} FROM tidegate.run WHERE {condition} ORDER BY run.id DESC LIMIT %s"  # noqa: S608 - names of our own
    return [Run(*row) for row in _rows(connection, query, (*arguments, limit))]


def steps(connection: Connection, run_ids: list[int]) -> list[Applied]:
    """What these runs applied or took back, newest first."""
    columns = ", ".join(Applied._fields)
    query = f"SELECT {columns} FROM tidegate.revision WHERE run_id = ANY(%s) ORDER BY seq DESC"  # noqa: S608 - as above
    return [Applied(*row) for row in _rows(connection, query, (run_ids,))]


class Ended(NamedTuple):
    """A run that is over, in what every role may know of it; moments in seconds since 1970."""

    id: int
    outcome: str
    started_s: float
    finished_s: float


def outcomes(connection: Connection) -> dict[str, int]:
    """How many runs that migrated ended how; what the doctor did has no attempts."""
    return dict(_rows(connection, "SELECT outcome, count(*) FROM tidegate.run WHERE attempts > 0 GROUP BY outcome"))


def last_ended(connection: Connection) -> Ended | None:
    """The newest run that migrated and is over."""
    rows = _rows(
        connection,
        "SELECT id, outcome, extract(epoch FROM started_at)::float, extract(epoch FROM finished_at)::float "
        "FROM tidegate.run WHERE finished_at IS NOT NULL AND attempts > 0 ORDER BY id DESC LIMIT 1",
    )
    return Ended(*rows[0]) if rows else None


def recorded_version_table(connection: Connection) -> str | None:
    """The version table of the last run that saw it; nothing without a record."""
    return next(iter(recorded_version_tables(connection)), None)


def recorded_version_tables(connection: Connection) -> list[str]:
    """The version tables that runs have seen, the last one first; none without a record."""
    query = "SELECT version_table FROM tidegate.run WHERE version_table IS NOT NULL GROUP BY 1 ORDER BY max(id) DESC"
    return [row[0] for row in _rows(connection, query)]


def running_run(connection: Connection) -> Run | None:
    """The run that says it is running, if there is one: the holder of the lock, or one that was killed."""
    newest = runs(connection, 1)
    return newest[0] if newest and newest[0].outcome == "running" else None


def _rows(connection: Connection, query: str, arguments: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    try:
        return fetch_all(connection, query, arguments)
    except Exception as exc:
        if sqlstate_of(exc) in MISSING:
            return []
        if sqlstate_of(exc) != MAY_NOT:
            raise
        raise DatabaseRefused(
            f"this role may not read the record of migrations: {message_of(exc)}",
            hint="`GRANT USAGE ON SCHEMA tidegate TO …; GRANT SELECT ON ALL TABLES IN SCHEMA tidegate TO …`",
        ) from exc
