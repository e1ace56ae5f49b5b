"""Connections of our own: waiting for a database that is not up yet, giving up on one that will never work.

libpq does not tell the SQLSTATE of a failed connection, only a text in the server's language. So when
connecting fails, the server is asked once more in its own protocol (`probe`): no answer, "starting up"
and "too many connections" mean wait; any other answer means that it is up and refuses us.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress

import psycopg2

from tidegate.database.answer import Cursor, HeldUp, NoAnswer, Session, result_of
from tidegate.database.asking import ANSWER_WITHIN_S, CONNECT_TIMEOUT_S, application_name, fetch_one
from tidegate.database.probe import ASKED_FOR_PASSWORD, NOT_UP_YET, ask, has_service
from tidegate.database.read_only import how_to_write
from tidegate.database.url import note_password
from tidegate.errors import DatabaseRefused, DatabaseUnreachable, PoolerInTheWay
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.database.url import Database

PROBE_TIMEOUT_S = 0.5
"""The least that the question gets why an attempt failed; else it gets what the attempt has left of its time."""

RETRY_INTERVAL_S = 0.25
"""Between attempts: short, since every start of a stack waits here, and an attempt is cheap."""

DOUBT_S = 1.5
"""How long a refusal is doubted that came after the password was asked for: "too many connections for role" comes there
too, and libpq does not tell the one from the other."""

READ_ONLY = "25006"
"""SQLSTATE: this transaction may only read, as on a standby."""

_KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 8_000}
"""A vanished server is noticed within 15 s, within 8 s when it is being asked; seconds, milliseconds for the last."""

_DIRECT_URL = "give tidegate the direct URL of PostgreSQL in `TIDEGATE_DATABASE_URL`; the application keeps its own"

_HINTS: dict[type[Exception], str] = {
    NoAnswer: "see whether the server's processes run and its disk answers, restart it if need be; then repeat the "
    "command",
    HeldUp: "see in `pg_stat_activity` whose transaction that is and wait for its end; then repeat the command",
}

POOLER_ANSWER_S = 10.0
"""How long the second connection may take. A session pooler without a free session keeps it waiting for two minutes."""

POOLER_PROBES = 5
"""How often two connections are compared. On an idle transaction pooler the first comparison tells."""


def connect(
    database: Database,
    *,
    purpose: str = "look",
    check: Callable[[], None] = lambda: None,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> Session:
    """One attempt at a connection in autocommit mode, so that it never holds a snapshot while it idles.

    Args:
        check: Called again and again while we wait, now and for an answer; may raise, as when a signal came.
        answer_within_s: Upper bound for each answer.

    Raises:
        DatabaseUnreachable: No answer, or the server is starting or full.
        DatabaseRefused: It is up and refuses these credentials or has no such database.
    """
    timeout_s = max(2, min(CONNECT_TIMEOUT_S, round(answer_within_s)))  # zero would be for ever
    arguments: dict[str, Any] = {"connect_timeout": timeout_s} | _KEEPALIVES | database.libpq_arguments()
    arguments |= {"connection_factory": Session, "cursor_factory": Cursor}
    connection: Session = result_of(lambda: _connect(database, arguments, purpose), check=check)
    connection.answer_within_s = answer_within_s
    connection.check = check  # type: ignore[method-assign]  # a hook, with nothing in it by default
    return connection


def _connect(database: Database, arguments: dict[str, Any], purpose: str) -> Session:
    began = time.monotonic()
    try:
        connection: Session = psycopg2.connect(**arguments, application_name=application_name(purpose))
    except (psycopg2.OperationalError, psycopg2.ProgrammingError) as exc:
        said = database.redact(" ".join(str(exc).split()))
        left = max(PROBE_TIMEOUT_S, CONNECT_TIMEOUT_S - (time.monotonic() - began))
        if _lacks_its_service(database, said):
            raise DatabaseRefused(
                f"the database at {database} cannot be found: {said}",
                hint=f"define it in the file that `PGSERVICEFILE` names, or correct the URL from {database.origin}",
            ) from None
        answer = None if isinstance(exc, psycopg2.ProgrammingError) else ask(database, left)
        if isinstance(exc, psycopg2.ProgrammingError) or (answer is not None and answer not in NOT_UP_YET):
            raise DatabaseRefused(
                f"the database at {database} refuses: {said}",
                hint=f"correct the URL from {database.origin}: user, password and database name; or whatever else it "
                "names, such as a limit of connections",
                is_certain=answer != ASKED_FOR_PASSWORD,
            ) from None
        raise DatabaseUnreachable(f"the database at {database} does not answer: {said}") from None
    connection.autocommit = True
    note_password(connection.info.password)
    return connection


def _lacks_its_service(database: Database, said: str) -> bool:
    """Whether libpq did not find the service that the URL names: waiting never helps then.

    Its message is in the user's language, but quotes the name; it may know more folders than we do.
    """
    name = database.libpq_arguments().get("service")
    return name is not None and f'"{name}"' in said and not has_service(name)


def connect_when_ready(
    database: Database,
    *,
    wait_s: float,
    purpose: str = "look",
    tell: Callable[[str], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> Session:
    """A connection as soon as the database gives one.

    Args:
        wait_s: Upper bound in seconds; zero means one attempt.
        tell: Gets one line when the waiting begins.
        check: As `connect` takes it; called before each attempt, too.
        answer_within_s: As `connect` takes it.

    Raises:
        DatabaseUnreachable: The bound passed. Carries the last reason.
        DatabaseRefused: At once, or after `DOUBT_S` where the refusal may be one that passes.
    """
    started = time.monotonic()
    told = False
    while True:
        check()
        try:
            return connect(database, purpose=purpose, check=check, answer_within_s=answer_within_s)
        except DatabaseRefused as exc:
            if exc.is_certain or time.monotonic() - started >= min(DOUBT_S, wait_s):
                raise
        except DatabaseUnreachable as exc:
            waited = time.monotonic() - started
            if waited >= wait_s:
                raise DatabaseUnreachable(
                    f"waited {show_duration(waited)} for the database: {exc.message}",
                    hint="start it, or wait longer with `--wait-for-db 5m` (env: TIDEGATE_WAIT_FOR_DB)",
                ) from None
            if not told:
                tell(f"waiting for the database at {database} (at most {show_duration(wait_s)})")
                told = True
        time.sleep(min(RETRY_INTERVAL_S, max(0.0, wait_s - (time.monotonic() - started))))


@contextmanager
def connected(
    database: Database,
    *,
    wait_s: float = 0,
    purpose: str = "look",
    tell: Callable[[str], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> Iterator[Session]:
    """A connection for the length of a block; what the database says against the block becomes a named error.

    Args:
        check: As `connect` takes it; so is `answer_within_s`.

    Raises:
        DatabaseRefused: A privilege is missing, or the database only lets us read.
        DatabaseUnreachable: It does not answer in time, the connection was lost, or anything else that it said.
    """
    connection = connect_when_ready(
        database, wait_s=wait_s, purpose=purpose, tell=tell, check=check, answer_within_s=answer_within_s
    )
    try:
        yield connection
    except (NoAnswer, HeldUp) as exc:
        raise DatabaseUnreachable(f"the database at {database} gave {exc}", hint=_HINTS[type(exc)]) from exc
    except psycopg2.Error as exc:
        said = database.redact(" ".join(str(exc).split())) or "the connection is closed"
        if exc.pgcode == READ_ONLY:
            raise DatabaseRefused(
                f"the database at {database} can only be read: {said}", hint=how_to_write(connection)
            ) from exc
        if (exc.pgcode or "")[:2] in {"28", "42"}:
            raise DatabaseRefused(
                f"the database at {database} does not let us: {said}",
                hint="give this role the privilege, or use the role that owns the schema `tidegate` and its tables",
            ) from exc
        raise DatabaseUnreachable(
            f"the connection to the database at {database} was lost: {said}", hint="repeat the command"
        ) from exc
    finally:
        with suppress(psycopg2.Error):
            connection.close()


def refuse_pooler(connection: Session, database: Database) -> bool:
    """Whether there is a pooler in between, one that leaves every connection its own server session.

    PostgreSQL announces the session's process id when it starts; behind PgBouncer and its like that number
    is the pooler's invention and differs from what the server says (measured with PgBouncer 1.18). Then a
    second connection shows which kind of pooling it is: with transaction pooling it is handed the session
    that the first one has just used.

    Raises:
        PoolerInTheWay: Sessions are handed around.
    """
    first = backend_pid(connection)
    if connection.info.backend_pid == first:
        return False
    if _are_handed_around(connection, first, database):
        raise PoolerInTheWay(
            f"{database} is reached through a pooler that hands sessions around (transaction or statement pooling): "
            "locks and settings of a session would be lost",
            hint=_DIRECT_URL,
        )
    return True


def _are_handed_around(connection: Session, first: int, database: Database) -> bool:
    try:
        with connected(database, purpose="probe", check=connection.check, answer_within_s=POOLER_ANSWER_S) as other:
            return any(backend_pid(other) == first or backend_pid(connection) != first for _ in range(POOLER_PROBES))
    except DatabaseUnreachable as exc:
        raise PoolerInTheWay(
            f"{database} is reached through a pooler that gave no second session within "
            f"{show_duration(POOLER_ANSWER_S)}; a run needs three at a time",
            hint=f"let its pool be larger (PgBouncer: `pool_size`), or {_DIRECT_URL}",
        ) from exc


def backend_pid(connection: Connection) -> int:
    """The server process behind a connection, which behind a pooler is not the one that was announced."""
    return int(fetch_one(connection, "SELECT pg_backend_pid()")[0])
