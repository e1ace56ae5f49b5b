"""HTTP servers to measure, each one process on a free port, and wrk before them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import BIN, ROOT
from tools.postgres import Cluster, embedded_bin_dir, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECTIONS = 8
RIVALS = Path(__file__).resolve().parent / "rivals"
NEEDS = ("fastapi>=0.141.1", "sqlmodel>=0.0.39", "pyjwt>=2.13", "psycopg[binary]>=3.3.4", "uvicorn[standard]")
"""What the template asks for, as far as its item routes use it."""


@dataclass(frozen=True)
class Load:
    """What wrk sends over and over."""

    url: str
    token: str
    body: str = ""
    """JSON to post; a GET when empty."""


@dataclass(frozen=True)
class Outcome:
    """What wrk saw."""

    per_s: float
    p99_ms: float
    refused: int
    """Answers that were not 2xx or 3xx."""


@dataclass(frozen=True)
class Server:
    """One that answers."""

    address: str
    pid: int


@contextmanager
def durable_cluster(folder: Path | None = None) -> Iterator[Cluster]:
    """A PostgreSQL as one would run it: commits wait for the disk. It goes away unless its folder is given."""
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-pg-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        cluster = Cluster(folder=folder / "data", bin_dir=embedded_bin_dir())
        stack.callback(cluster.stop)
        yield cluster.start()


@contextmanager
def served(application: str, env: Mapping[str, str], *, folder: Path = ROOT, apart: bool = False) -> Iterator[str]:
    """The address of `uvicorn APPLICATION`, one worker, set as in the Dockerfile; `apart`: with `NEEDS` instead."""
    with serving(application, env, folder=folder, apart=apart) as server:
        yield server.address


@contextmanager
def serving(
    application: str,
    env: Mapping[str, str],
    *,
    folder: Path = ROOT,
    apart: bool = False,
    programs: Path = BIN,
    through_fastapi: bool = False,
) -> Iterator[Server]:
    """As `served`, for those who want to look at the process.

    `programs`: where the uvicorn is that is not apart; `through_fastapi`: `fastapi run` finds the application itself.
    """
    port = free_port()
    begin = [*_apart(), "uvicorn"] if apart else [str(programs / "uvicorn")]
    command = [*begin, application, "--port", str(port), "--no-access-log", "--no-server-header", "--log-level=warning"]
    if through_fastapi:
        command = [str(programs / "fastapi"), "run", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=_environment(env, apart=apart), stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}", process)
        yield Server(f"http://127.0.0.1:{port}", _last_child(process.pid))
    finally:
        process.terminate()
        process.wait(30)


def run_apart(program: str, env: Mapping[str, str]) -> str:
    """What a Python program prints that runs with `NEEDS`."""
    command = [*_apart(), "python", "-c", program]
    done = subprocess.run(command, env=_environment(env, apart=True), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def load(what: Load, *, seconds: float) -> Outcome:
    """Send it from `CONNECTIONS` connections for some seconds, all of it over loopback."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('wrk.headers["Authorization"] = "Bearer ' + what.token + '"\n')
        if what.body:
            script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
            script.write(f"wrk.body = [==[{what.body}]==]\n")
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", "-s", script.name, what.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Outcome(
        per_s=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p99_ms=_milliseconds(_found(r"(?m)^\s+99%\s+(\S+)$", said)),
        refused=int(refused[1]) if refused else 0,
    )


def find_uv() -> str:
    """The uv that `make` uses."""
    return shutil.which("uv") or str(ROOT / ".uv" / "uv")


def _apart() -> list[str]:
    return [
        find_uv(),
        "run",
        "--quiet",
        "--no-project",
        "--python",
        sys.executable,
        *(part for need in NEEDS for part in ("--with", need)),
    ]


def _environment(more: Mapping[str, str], *, apart: bool) -> dict[str, str]:
    # uv needs to know this machine's proxy, index and certificates; the service shall see nothing but what is measured.
    few = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return ({"UV_SYSTEM_CERTS": "true", **os.environ} if apart else few) | dict(more)


def _last_child(pid: int) -> int:
    """The process that serves: `uv run` stays in front of what it runs."""
    of_threads = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    children = [child for found in of_threads for child in found]
    return _last_child(int(children[0])) if children else pid


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"wrk said something else:\n{text}"
    return found[1]


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended; run it by hand to see why"
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - our own server
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)
