"""`--before CMD`: a command, usually a backup, that must succeed before the first statement of a run.

It runs with the migration lock held and behind the second look, so exactly once for each run that has
something to do. The database reaches it as libpq's environment variables, never in its arguments, which
every user of the machine can read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psycopg2

from tidegate.database.asking import fetch_one
from tidegate.database.record import begin_before, finish_before
from tidegate.errors import Interrupted, MigrationFailed
from tidegate.report.duration import show_duration
from tidegate.run.leash import GRACE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.database.url import Database
    from tidegate.run.request import Request
    from tidegate.run.signals import Signals

TICK_S = 0.1
"""How soon a signal or the end of the time is acted on."""

PING_EVERY_S = 1.0
"""How soon the loss of the control connection, and with it of the lock, is noticed."""

_TOO_LONG = "`--before` took longer than `--before-timeout` allows, and was ended"

_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "service": "PGSERVICE",
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslsni": "PGSSLSNI",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""libpq's variable for each part of a URL. Source: PostgreSQL manual, "Environment Variables" of libpq."""


def run_before(
    control: Connection, run_id: int, request: Request, *, tell: Callable[[str], None], signals: Signals
) -> None:
    """Run the request's command to its success, and write down how it ended.

    Raises:
        MigrationFailed: It failed, took too long, or the lock was lost meanwhile. Nothing was changed.
        Interrupted: A signal came. The command was ended.
    """
    command = request.database.redact(request.before or "")
    begin_before(control, run_id, command)
    tell(f"before the migration: `{command}`")
    began = time.monotonic()
    leash, lifeline = os.pipe()
    process = _start(request, leash)
    os.close(leash)
    why = None
    try:
        why = _follow(process, control, began + request.before_timeout_s, signals)
    finally:
        if process.returncode is None:
            _end(process)
        os.close(lifeline)
    took = time.monotonic() - began
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode  # as a shell counts signals
    with suppress(psycopg2.Error):  # the lock's connection is gone: the run's end is written through another one
        finish_before(control, run_id, code, round(took * 1000))
    if why is None and code == 0:
        tell(f"    succeeded in {show_duration(took)}")
        return
    if why is None:
        why = f"`--before` failed with exit code {code} after {show_duration(took)}"
    if signals.received is not None:
        raise Interrupted(signals.received, f"{why}; nothing was changed", hint=_again(request))
    hint = _again(request)
    if why == _TOO_LONG:
        why += f" after {show_duration(took)}"
        hint = f"let it take longer with `--before-timeout 4h` (env: TIDEGATE_BEFORE_TIMEOUT), or {hint}"
    raise MigrationFailed(f"{why}; nothing was changed\n  command: `{command}`", hint=hint)


def libpq_environment(database: Database) -> dict[str, str]:
    """The database as the variables that `pg_dump`, `psql` and everything else of libpq understand."""
    return {_VARIABLES[name]: value for name, value in database.libpq_arguments().items() if name in _VARIABLES}


def _start(request: Request, leash: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tidegate.run.leash", str(leash), request.before or ""],
        env=os.environ | libpq_environment(request.database),
        pass_fds=(leash,),
        stdin=subprocess.DEVNULL,
        stdout=2,  # our stdout is for the result
        start_new_session=True,  # a group of its own, which can be ended as a whole
    )


def _follow(process: subprocess.Popen[bytes], control: Connection, deadline: float, signals: Signals) -> str | None:
    """Stay until it has ended, or say why it must end now."""
    pinged = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(TICK_S)
            return None
        now = time.monotonic()
        if signals.received is not None:
            return f"stopped by {signal.Signals(signals.received).name} while `--before` ran, which was ended"
        if now >= deadline:
            return _TOO_LONG
        if now - pinged >= PING_EVERY_S:
            pinged = now
            try:
                fetch_one(control, "SELECT 1")
            except psycopg2.Error:
                return "the connection that held the migration lock was lost while `--before` ran, which was ended"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and all it started in its group. The leash sees to it; if it cannot, the group is killed."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S + 1)
            return


def _again(request: Request) -> str:
    return f"see what the command wrote above, then run `{request.command}` again"
