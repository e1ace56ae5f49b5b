"""`--fix` and `--accept`: what is safe to mend, mended with the migration lock held, and told before it is done.

Everything here takes locks that neither readers nor writers wait for, or waits for its lock only briefly.
A session that dies in between takes the lock with it; what is half done is found again.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, extensions, extras

from tidegate.database.asking import fetch_all, fetch_one
from tidegate.database.connect import connected, refuse_pooler
from tidegate.database.keepalive import watch_client
from tidegate.database.lock import FENCE, MUTEX, acquire, wait_for_fence
from tidegate.database.look import current_revisions
from tidegate.database.record import Ending, NewRun, begin_run, finish_run
from tidegate.doctor.examination import Examination, graph_of
from tidegate.doctor.files import checksum_of, recorded_entries
from tidegate.doctor.past import OWN_COMMAND, lock_holders
from tidegate.doctor.traffic import holders_of, orphans
from tidegate.errors import Interrupted, LockBusy, UsageError
from tidegate.run.failure import outcome_of
from tidegate.run.guarded import user_name
from tidegate.version import application_version, tidegate_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.database.answer import Session
    from tidegate.doctor.finding import Finding
    from tidegate.project.graph import Graph
    from tidegate.report.target import Target

PATIENCE_S = 2.0
"""How long an orphan gets to end after its statement was cancelled, and again after its session was ended."""

GRACE_S = 1.0
"""The server needs half a second to notice by itself that a client is gone, and then there is nothing to mend."""

LOCK_TIMEOUT = "100ms"
LOCK_ATTEMPTS = 50
LOCK_PAUSE_S = 0.2
"""FINALIZE locks the partition, and whoever reads that one waits behind it: so it waits briefly, often, and for 15 s at
most in all."""


class Mended(NamedTuple):
    """What was done about a finding."""

    finding: Finding
    error: str | None
    """Why it was not mended."""


class Mending(NamedTuple):
    """What was done, and what is found afterwards."""

    done: list[Mended]
    left: list[Finding]


def mend(
    target: Target, *, older_than_s: float, accept: tuple[str, ...], fix: bool, tell: Callable[[str], None]
) -> Mending:
    """Accept these files, mend what is found, and look once more.

    Raises:
        LockBusy: A run is on. At once: while it works, nobody can say what is damage.
        UsageError: A file that is to be accepted is not on record or not there.
    """
    graph, broken = graph_of(target)
    with connected(target.database, wait_s=target.waits.for_db_s, purpose="doctor", tell=tell) as control:
        refuse_pooler(control, target.database)
        watch_client(control)
        with _interruptible(control):
            examination = Examination(target, control, graph, broken, older_than_s)
            done = _end_orphans(examination, tell) if fix else []
            _lock(control)
            todo = [finding for finding in examination.findings() if finding.fix] if fix else []
            with _on_record(examination, accept, fix=fix, is_work=bool(done or todo or accept), tell=tell):
                for id_ in accept:
                    _accept(control, graph, id_, tell)
                done += [_mended(control, finding, tell) for finding in todo]
        return Mending(done, examination.findings())


@contextmanager
def _on_record(
    examination: Examination, accept: tuple[str, ...], *, fix: bool, is_work: bool, tell: Callable[[str], None]
) -> Iterator[None]:
    """Write down that somebody mended, where there is a record and this role may write it."""
    control, target = examination.connection, examination.target
    run_id = None
    at = current_revisions(control, target.project.version_table) if is_work else []
    if is_work and fetch_one(control, "SELECT to_regclass('tidegate.run') IS NOT NULL")[0]:
        command = " ".join([OWN_COMMAND, *["--fix"] * fix, *(f"--accept {id_}" for id_ in accept)])
        who, host, version = user_name(), os.uname().nodename, application_version(target.project)
        try:
            run_id = begin_run(control, NewRun(command, who, host, os.getpid(), version, tidegate_version(), at))
            fetch_all(control, "UPDATE tidegate.run SET attempts = 0 WHERE id = %s RETURNING id", (run_id,))
        except errors.InsufficientPrivilege as exc:
            tell(f"this is not put on record: {exc.diag.message_primary}")
    try:
        yield
    except BaseException as exc:
        if run_id is not None and not control.closed:
            finish_run(control, run_id, Ending(outcome_of(exc), at, None, target.database.redact(str(exc)), 0))
        raise
    if run_id is not None:
        finish_run(control, run_id, Ending("succeeded", at, None, None, 0))


def _lock(control: Connection) -> None:
    try:
        acquire(control, wait_s=0, nothing_left=lambda: False, tell=lambda _: None)
    except LockBusy as exc:
        who = "".join(f": {finding.what}" for finding in lock_holders(control))
        raise LockBusy(
            f"a migration is running{who}",
            hint="wait until it has ended; `tidegate doctor` without `--fix` may look at any time",
            holder_pid=exc.holder_pid,
            waited_s=exc.waited_s,
        ) from exc


def _end_orphans(examination: Examination, tell: Callable[[str], None]) -> list[Mended]:
    """Take the mutex, so that nobody begins, and end what a run that is gone left behind the fence."""
    control = examination.connection
    if not fetch_one(control, "SELECT pg_try_advisory_lock(%s)", (MUTEX,))[0]:
        return []  # `_lock` says who holds it
    wait_for_fence(control, wait_s=GRACE_S)
    shown = examination.shown
    return [_end(control, orphan._replace(what=shown(orphan.what)), tell) for orphan in orphans(control)]


def _end(control: Connection, orphan: Finding, tell: Callable[[str], None]) -> Mended:
    tell(f"mending: {orphan.what}")
    try:
        for command in orphan.fix:
            tell(f"  {command}")
            fetch_one(control, command)
            deadline = time.monotonic() + PATIENCE_S
            while orphan.subject in {session.pid for session in holders_of(control, FENCE)}:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            else:
                return Mended(orphan, None)
    except psycopg2.Error as exc:
        return _failed(orphan, exc, tell)
    return Mended(orphan, f"it is still there {PATIENCE_S:.0f} s after it was told to end")


def _mended(control: Connection, finding: Finding, tell: Callable[[str], None]) -> Mended:
    tell(f"mending: {finding.what}")
    try:
        for command in finding.fix:
            tell(f"  {command}")
            _execute(control, command, is_brief=finding.kind == "detach_pending")
    except psycopg2.Error as exc:
        return _failed(finding, exc, tell)
    return Mended(finding, None)


def _execute(control: Connection, command: str, *, is_brief: bool) -> None:
    """Execute it without a lock timeout, or with a brief one and several times."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        with control.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_TIMEOUT if is_brief else "0",))
            try:
                cursor.execute(command)
            except errors.LockNotAvailable:
                if attempt == LOCK_ATTEMPTS:
                    raise
                time.sleep(LOCK_PAUSE_S)
            else:
                return


def _failed(finding: Finding, exc: psycopg2.Error, tell: Callable[[str], None]) -> Mended:
    if isinstance(exc, errors.QueryCanceled):
        raise Interrupted(2, "stopped: the statement was cancelled on the server") from exc
    if exc.pgcode is None:
        raise exc  # the connection is gone
    tell(f"  not mended: {exc.diag.message_primary}")
    return Mended(finding, exc.diag.message_primary)


def _accept(control: Connection, graph: Graph | None, id_: str, tell: Callable[[str], None]) -> None:
    """Put the file as it is now on record: its checksum, its parents and its phase."""
    entry = recorded_entries(control).get(id_)
    if entry is None or entry.direction != "upgrade":
        raise UsageError(f"revision `{id_}` is not on record as applied", hint="see `tidegate doctor`")
    if graph is None or id_ not in graph:
        raise UsageError(f"revision `{id_}` is in no file here", hint="bring the file back, or see `alembic history`")
    revision = graph[id_]
    tell(f"accepting `{revision.path}` as it is now for revision `{id_}`")
    fetch_all(
        control,
        "UPDATE tidegate.revision SET checksum = %s, parents = %s::text[], phase = %s WHERE seq = "
        "(SELECT max(seq) FROM tidegate.revision WHERE id = %s AND direction = 'upgrade') RETURNING seq",
        (checksum_of(revision.path), list(revision.needs), revision.phase, id_),
    )


@contextmanager
def _interruptible(control: Session) -> Iterator[None]:
    """For the length of a block Ctrl-C cancels the statement on the server, and the server notices our death."""
    control.answer_within_s = None  # an index is built for as long as it takes
    for name, value in (("statement_timeout", "0"), ("client_connection_check_interval", "500")):
        fetch_all(control, "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s", (value, name))
    extensions.set_wait_callback(extras.wait_select)
    try:
        yield
    finally:
        extensions.set_wait_callback(None)
