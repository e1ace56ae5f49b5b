"""Claim: the service, idle, needs at most 0.9 of the memory of full-stack-fastapi-template.

One process of uvicorn each, ours with what the Dockerfile installs (the tools of development bring `rich`, which
structlog loads where it finds it: 4.5 MB); after its start, and after 200 requests of somebody who is signed in: lists,
single ones, new ones, and of ours the month's page and report. What counts is RSS as the kernel has it (`VmRSS`), as
`docker stats` and `top` show it for one process; the proportional share (PSS) stands beside it and is smaller where
other processes of the machine use the same files. Each is started once: two starts differ by less than 0.5 MB.

`--template FOLDER` measures a fetched copy of the rival (see `fetched.py`), started as ours is, and also as its own
Dockerfile starts it (`fastapi run`, but with one worker). Without it the rival is `rivals/template.py`, which holds its
item routes only and needs less.
"""

from __future__ import annotations

import argparse
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
from fetched import Rival, installed
from harness import BIN, ROOT, report
from servers import RIVALS, Server, durable_cluster, find_uv, run_apart, serving
from visitors import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from tools.postgres import Cluster

    Measured: TypeAlias = dict[tuple[str, str], float]

REQUESTS = 200
AT_START = "after the start"
AFTER = f"after {REQUESTS} requests"
ITS_WAY = "template as its Dockerfile starts it"
BUDGET = 0.9
SECRET = "a secret of sufficient length, for a minute"  # noqa: S105 - signs tokens of a database that goes away


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--template", type=Path, metavar="FOLDER", help="a copy of full-stack-fastapi-template")
    said = parser.parse_args()
    measured: dict[str, Measured] = {}
    with ExitStack() as stack:
        cluster = stack.enter_context(durable_cluster())
        measured["ours"] = _ours(cluster, stack.enter_context(_production()))
        if said.template is None:
            name, measured["template"] = "rivals/template.py: its item routes, re-expressed", _re_expressed(cluster)
        else:
            rival = stack.enter_context(installed(said.template))
            name, measured["template"] = rival.name, _fetched(cluster, rival, "template", its_way=False)
            measured[ITS_WAY] = _fetched(cluster, rival, "template_its_way", its_way=True)
    figures: dict[str, float | str] = {"rival": name}
    for kind in ("RSS", "PSS"):
        for when in (AT_START, AFTER):
            figures |= {f"{who}: {kind} {when} (MB)": found[when, kind] for who, found in measured.items()}
            for who in [who for who in measured if who != "ours"]:
                figures[f"{kind} {when}: ours / {who}"] = measured["ours"][when, kind] / measured[who][when, kind]
    report("memory", figures, {name: BUDGET for name in figures if name.startswith("RSS")})


@contextmanager
def _production() -> Iterator[Path]:
    """The programs of an environment without the tools of development, compiled as in the image, templates too."""
    with tempfile.TemporaryDirectory(prefix="bench-env-") as folder:
        command = [find_uv(), "sync", "--quiet", "--locked", "--no-dev", "--no-editable", "--compile-bytecode"]
        for package in ("expenses", "tidegate"):  # or uv takes what it built of them when `pyproject.toml` last changed
            command += ["--reinstall-package", package]
        where = {"UV_SYSTEM_CERTS": "true", **os.environ, "UV_PROJECT_ENVIRONMENT": folder}
        subprocess.run([*command, "--python", sys.executable], cwd=ROOT, env=where, check=True)
        programs = Path(folder) / "bin"
        subprocess.run([str(programs / "python"), "-m", "expenses.web.compiled"], check=True)
        yield programs


def _ours(cluster: Cluster, programs: Path) -> Measured:
    url = _database(cluster, "ours")
    env = {"DATABASE_URL": url, "REGISTRATION": "open", "RATE_LIMIT": "off", "SECURE_COOKIES": "false"}
    subprocess.run([str(BIN / "alembic"), "upgrade", "head"], cwd=ROOT, env=env, check=True, capture_output=True)
    with serving("main:app", env, programs=programs) as server:
        found = _memory(server.pid, AT_START)
        visitor = Visitor(server.address, "anna@example.org")
        api, month = f"/api/v1/workspaces/{visitor.home}", EXPENSE["spent_on"][:7]
        for _ in range(REQUESTS // 5):
            new = visitor.post(f"{api}/expenses", EXPENSE)["id"]
            for path in (f"{api}/expenses/{new}", f"{api}/expenses?limit=50", f"{api}/reports/monthly?month={month}"):
                visitor.get(path)
            visitor.get(f"/w/{visitor.home}/months/{month}")
        return found | _memory(server.pid, AFTER)


def _re_expressed(cluster: Cluster) -> Measured:
    env = {"DATABASE_URL": _database(cluster, "template"), "SECRET_KEY": SECRET, "PYTHONPATH": str(RIVALS)}
    token = run_apart(PREPARE, env)
    with serving("template:app", env, folder=RIVALS, apart=True) as server:
        return _used(server, lambda: token)


def _fetched(cluster: Cluster, rival: Rival, database: str, *, its_way: bool) -> Measured:
    env = rival.prepare(_database(cluster, database))
    with rival.serving(env, its_way=its_way) as server:
        return _used(server, lambda: rival.token(server.address))


def _used(server: Server, sign_in: Callable[[], str]) -> Measured:
    found = _memory(server.pid, AT_START)
    token = sign_in()
    items = f"{server.address}/api/v1/items/"
    for _ in range(REQUESTS // 4):
        new = json.loads(_ask(items, token, json.dumps(ITEM).encode()))["id"]
        for url in (f"{items}{new}", f"{items}?limit=50", f"{items}?limit=50"):
            _ask(url, token)
    return found | _memory(server.pid, AFTER)


def _memory(pid: int, when: str) -> Measured:
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
