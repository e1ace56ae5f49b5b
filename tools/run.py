"""`make run`: the application on a PostgreSQL of its own, which keeps its data between runs.

Starts PostgreSQL, then `tidegate run -- uvicorn main:app`, says where the application answers, and stops both in
that order on Ctrl-C, SIGTERM or a closed terminal. What a killed runner left running is ended by the next one.
Takes PORT and DEMO from the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from tools.postgres import Cluster, embedded_bin_dir
from tools.run_state import (
    AlreadyRunning,
    Runner,
    database_folder,
    database_password,
    end_orphaned_server,
    only_runner,
)

if TYPE_CHECKING:
    from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".data"
PROGRAMS = Path(sys.executable).parent
DATABASE = "expenses"
FIRST_PORT = 8000
PORTS_TO_TRY = 20
STOP_TIMEOUT_S = 10
"""How long the server may take to finish what it is answering, once told to stop."""


class CannotRun(Exception):
    """The application cannot be started; carries what to do about it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class Stopped(Exception):
    """Somebody asked for an end."""


class StopSignals:
    """Remembers that an end was asked for, so that a signal never cuts a step of starting or stopping in half."""

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup make run` means it
                signal.signal(number, self._remember)
        self._terminal = select.poll()
        if os.isatty(0) and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self._terminal.register(0, 0)

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True

    def check(self) -> None:
        """Raise `Stopped` when an end was asked for, or the terminal has gone.

        The system tells only the first process of a terminal when that is closed. Mostly that is a shell, which
        passes it on; where it is `make`, it waits for us, so we look for ourselves.
        """
        if self._terminal.poll(0):
            self.received = True
        if self.received:
            raise Stopped


def main() -> int:
    """Run until somebody asks for an end; the exit code."""
    signals = StopSignals()
    try:
        with only_runner(DATA):
            serve(signals)
    except Stopped:
        say("stopped")
    except AlreadyRunning as exc:
        return complain(str(exc), "use that one, or stop it first")
    except CannotRun as exc:
        return complain(str(exc), exc.hint)
    except RuntimeError as exc:  # PostgreSQL's own words, which say what is wrong
        return 0 if signals.received else complain(str(exc), f"its files are in `{shown(database_folder(DATA))}`")
    return 0


def serve(signals: StopSignals) -> None:
    """Start the database and the server, and stay until an end is asked for; always raises."""
    if end_orphaned_server(DATA):
        say("ended a server that a killed `make run` had left")
    port = choose_port(os.environ.get("PORT", ""))
    cluster = Cluster(database_folder(DATA), embedded_bin_dir(), password=database_password(DATA))
    signals.check()
    with cluster:
        say(f"PostgreSQL 18 keeps its data in `{shown(cluster.folder)}` and listens on port {cluster.port}")
        create_database(cluster)
        signals.check()
        url = f"http://127.0.0.1:{port}"
        server = start_server(cluster, port)
        Runner(pid=os.getpid(), url=url, port=port, server_pid=server.pid).write(DATA)
        try:
            wait_until_it_answers(server, port, signals)
            if os.environ.get("DEMO", "").lower() not in ("", "0", "no", "false"):
                load_sample(cluster, signals)
            say(f"\nexpenses is ready at {url} (Ctrl-C stops it)\n")
            while True:
                check_server(server, signals)
                time.sleep(0.1)
        finally:
            stop(server)


def choose_port(wanted: str, *, first: int = FIRST_PORT) -> int:
    """The port to serve on: the wanted one, or else the first (8000), or else the next one that is free."""
    if wanted:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise CannotRun(f"`PORT={wanted}` is no port", "give a number from 1 to 65535, or leave it out")
        if not is_free(int(wanted)):
            raise CannotRun(f"port {wanted} is taken", "choose another with `make run PORT=…`, or leave it out")
        return int(wanted)
    for port in range(first, first + PORTS_TO_TRY):
        if is_free(port):
            return port
        say(f"port {port} is taken")
    raise CannotRun(f"ports {first} to {port} are taken", "choose another with `make run PORT=…`")


def is_free(port: int) -> bool:
    """Whether a server could listen there now, also when one has just stopped."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def create_database(cluster: Cluster) -> None:
    """Make the application's database unless it is there."""
    connection = psycopg2.connect(cluster.url)
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        connection.close()


def environment(cluster: Cluster) -> dict[str, str]:
    """What the application is told, whatever this terminal's environment says about another database."""
    elsewhere = ("DATABASE_URL", "DATABASE_URL_FILE", "TIDEGATE_DATABASE_URL", "TIDEGATE_DATABASE_URL_FILE")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in elsewhere and not name.startswith(("POSTGRES_", "PG"))
    }
    ours = {
        "DATABASE_URL": cluster.database_url(DATABASE),
        "RUN_MIGRATIONS": "true",
        "REGISTRATION": "open",
        "SECURE_COOKIES": "false",  # plain http, from this machine only
        "LOG_FORMAT": "console",
        "PATH": os.pathsep.join([str(PROGRAMS), inherited.get("PATH", os.defpath)]),
    }
    return inherited | ours


def start_server(cluster: Cluster, port: int) -> subprocess.Popen[bytes]:
    """Start migrating and then serving."""
    command = [str(PROGRAMS / "tidegate"), "run", "--", "uvicorn", "main:app", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--timeout-graceful-shutdown", str(STOP_TIMEOUT_S)]
    # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop things in order.
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(cluster), stdin=subprocess.DEVNULL, start_new_session=True
    )


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int, signals: StopSignals) -> None:
    """Return when the application says that it is ready; a migration may take as long as it needs."""
    while not is_ready(port):
        check_server(server, signals)
        time.sleep(0.05)


def is_ready(port: int) -> bool:
    """Whether the application answers, and that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def check_server(server: subprocess.Popen[bytes], signals: StopSignals) -> None:
    """Raise `Stopped` when an end was asked for, `CannotRun` when the server has ended by itself."""
    signals.check()
    code = server.poll()
    if code is not None:
        raise CannotRun(f"the server has ended, with exit code {code}", "its own words are above")


def load_sample(cluster: Cluster, signals: StopSignals) -> None:
    """Fill in a year of expenses for the demo account, once. The command itself says how to sign in."""
    command = [str(PROGRAMS / "expenses"), "load-sample"]
    loader = subprocess.Popen(
        command, cwd=ROOT, env=environment(cluster), stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while loader.poll() is None:
            signals.check()
            time.sleep(0.05)
    finally:
        stop(loader)
    if loader.returncode:
        raise CannotRun("the sample expenses could not be loaded", "start without `DEMO=1`")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started: ask first, insist when it does not end."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S + 2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def shown(path: Path) -> str:
    """A path as a person at the project's root would write it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def say(text: str) -> None:
    """Tell the person at the terminal, if it is still there."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def complain(what: str, hint: str) -> int:
    """Say what is wrong and what to do; the exit code for it."""
    with contextlib.suppress(OSError):
        print(f"error: {what}\n\nhint: {hint}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
