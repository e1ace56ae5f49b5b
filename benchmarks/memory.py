"""Claim: the service, idle, needs at most 0.9 of the memory of full-stack-fastapi-template.

One process of uvicorn each, ours with what the Dockerfile installs (the tools of development bring `rich`, which
structlog loads where it finds it: 4.5 MB), the rival as in `api.py`; after its start, and after 200 requests of
somebody who is signed in: lists, single ones, new ones, and of ours the month's page and report. What counts is RSS as
the kernel has it (`VmRSS`), as `docker stats` and `top` show it for one process; the proportional share (PSS) stands
beside it and is smaller where other processes of the machine use the same files.
Each is started once: two starts differ by less than 1 MB.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from api import EXPENSE, ITEM, PREPARE
from harness import BIN, ROOT, median, report
from servers import RIVALS, durable_cluster, find_uv, run_apart, serving
from visitors import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.postgres import Cluster

ROUNDS = 1
REQUESTS = 200
BUDGET = 0.9
SECRET = "a secret of sufficient length, for a minute"  # noqa: S105 - signs tokens of a database that goes away


def main() -> None:
    """Measure and report."""
    with durable_cluster() as cluster, _production() as ours:
        rounds = [(_ours(cluster, number, ours), _template(cluster, number)) for number in range(ROUNDS)]
    figures: dict[str, float] = {}
    for kind in ("RSS", "PSS"):
        for when in ("after the start", f"after {REQUESTS} requests"):
            ours, rival = (median([pair[which][when, kind] for pair in rounds]) for which in (0, 1))
            figures |= {f"ours: {kind} {when} (MB)": ours, f"template: {kind} {when} (MB)": rival}
            figures[f"{kind} {when}: ours / template"] = ours / rival
    budgets = {name: BUDGET for name in figures if name.startswith("RSS")}
    report("memory", figures, budgets)


@contextmanager
def _production() -> Iterator[Path]:
    """The programs of an environment without the tools of development, whose bytecode is there as in the image."""
    with tempfile.TemporaryDirectory(prefix="bench-env-") as folder:
        command = [find_uv(), "sync", "--quiet", "--locked", "--no-dev", "--no-editable", "--compile-bytecode"]
        where = {"UV_SYSTEM_CERTS": "true", **os.environ, "UV_PROJECT_ENVIRONMENT": folder}
        subprocess.run([*command, "--python", sys.executable], cwd=ROOT, env=where, check=True)
        yield Path(folder) / "bin"


def _ours(cluster: Cluster, number: int, programs: Path) -> Mapping[tuple[str, str], float]:
    url = _database(cluster, f"ours_{number}")
    env = {"DATABASE_URL": url, "REGISTRATION": "open", "RATE_LIMIT": "off", "SECURE_COOKIES": "false"}
    subprocess.run([str(BIN / "alembic"), "upgrade", "head"], cwd=ROOT, env=env, check=True, capture_output=True)
    with serving("main:app", env, programs=programs) as server:
        found = _memory(server.pid, "after the start")
        visitor = Visitor(server.address, "anna@example.org")
        api, month = f"/api/v1/workspaces/{visitor.home}", EXPENSE["spent_on"][:7]
        for _ in range(REQUESTS // 5):
            new = visitor.post(f"{api}/expenses", EXPENSE)["id"]
            for path in (f"{api}/expenses/{new}", f"{api}/expenses?limit=50", f"{api}/reports/monthly?month={month}"):
                visitor.get(path)
            visitor.get(f"/w/{visitor.home}/months/{month}")
        return found | _memory(server.pid, f"after {REQUESTS} requests")


def _template(cluster: Cluster, number: int) -> Mapping[tuple[str, str], float]:
    env = {
        "DATABASE_URL": _database(cluster, f"template_{number}"),
        "SECRET_KEY": SECRET,
        "PYTHONPATH": str(RIVALS),
    }
    token = run_apart(PREPARE, env)
    with ExitStack() as stack:
        server = stack.enter_context(serving("template:app", env, folder=RIVALS, apart=True))
        found = _memory(server.pid, "after the start")
        items = f"{server.address}/api/v1/items/"
        for _ in range(REQUESTS // 4):
            new = json.loads(_ask(items, token, json.dumps(ITEM).encode()))["id"]
            for url in (f"{items}{new}", f"{items}?limit=50", f"{items}?limit=50"):
                _ask(url, token)
        return found | _memory(server.pid, f"after {REQUESTS} requests")


def _memory(pid: int, when: str) -> dict[tuple[str, str], float]:
    said = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.findall(r"^(Rss|Pss):\s+(\d+) kB", said, re.MULTILINE)
    return {(when, kind.upper()): int(kb) / 1024 for kind, kb in found}


def _ask(url: str, token: str, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:  # noqa: S310 - our own server
        return bytes(answer.read())


def _database(cluster: Cluster, name: str) -> str:
    connection = psycopg2.connect(cluster.url)
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return cluster.database_url(name)


if __name__ == "__main__":
    main()
