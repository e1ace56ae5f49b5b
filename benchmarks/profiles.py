"""Where the processor time of the service goes: list, one, search, create, and the month's report, seen by py-spy.

No claim and no budget, but a page to look at before somebody makes a route faster: `make profile` rewrites
`results/profiles.md`. Samples of one process of uvicorn under wrk, taken from outside, so that the code is the one that
is measured elsewhere. Only the thread of the event loop counts; what uvloop does itself, and its waiting for
PostgreSQL where py-spy takes it for work, stands as `Runner.run`. py-spy (MIT) comes through uv into
an environment of its own. It reads the memory of the server, which the kernel lets root or a parent do.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
from api import EXPENSE, ROWS
from harness import BIN, RESULTS, ROOT, machine
from servers import Load, durable_cluster, find_uv, load, serving
from visitors import Visitor

SECONDS = 8
PER_SECOND = 250
TOP = 12
_FRAME = re.compile(r"(\S+) \((.+?)(?::\d+)?\)")
_PACKAGES = ("expenses", "fastapi", "starlette", "pydantic", "asyncpg", "sqlalchemy", "uvicorn", "structlog", "anyio")


def main() -> None:
    """Sample each route and write the page."""
    with ExitStack() as stack:
        cluster = stack.enter_context(durable_cluster())
        with closing(psycopg2.connect(cluster.url)) as connection:
            connection.autocommit = True
            connection.cursor().execute("CREATE DATABASE profiled")
        env = {
            "DATABASE_URL": cluster.database_url("profiled"),
            "REGISTRATION": "open",
            "RATE_LIMIT": "off",
            "SECURE_COOKIES": "false",
        }
        subprocess.run([str(BIN / "alembic"), "upgrade", "head"], cwd=ROOT, env=env, check=True, capture_output=True)
        server = stack.enter_context(serving("main:app", env))
        visitor = Visitor(server.address, "anna@example.org")
        path = f"/api/v1/workspaces/{visitor.home}"
        ids = [visitor.post(f"{path}/expenses", EXPENSE)["id"] for _ in range(ROWS)]
        base, month = server.address + path, EXPENSE["spent_on"][:7]
        loads = {
            "list of 50": Load(f"{base}/expenses?limit=50", visitor.token),
            "one": Load(f"{base}/expenses/{ids[0]}", visitor.token),
            "search": Load(f"{base}/expenses?q=corner%20amount%3E5", visitor.token),
            "month report": Load(f"{base}/reports/monthly?month={month}", visitor.token),
            "create": Load(f"{base}/expenses", visitor.token, json.dumps(EXPENSE)),
        }
        parts = [_part(name, _samples(server.pid, what)) for name, what in loads.items()]
    on = machine()
    what = (__doc__ or "").partition("\n")[0]
    head = f"# Profiles\n\n{what}\nTaken on {on['when'][:10]} with Python {on['python']}; `profiles.py` says how.\n"
    (RESULTS / "profiles.md").write_text("\n".join([head, *parts]))


def _samples(pid: int, what: Load) -> Counter[tuple[str, ...]]:
    """Which stacks of calls were seen how often, while wrk asked without a pause."""
    with tempfile.NamedTemporaryFile(suffix=".txt") as found:
        options = ["--format", "raw", "--function", "--rate", str(PER_SECOND), "--duration", str(SECONDS)]
        command = [find_uv(), "run", "--quiet", "--no-project", "--with", "py-spy", "py-spy", "record", *options]
        asking = threading.Thread(target=load, args=(what,), kwargs={"seconds": SECONDS + 4})
        asking.start()
        done = subprocess.run(
            [*command, "--pid", str(pid), "--output", found.name], capture_output=True, text=True, check=False
        )
        asking.join()
        assert done.returncode == 0, done.stderr
        lines = [line.rpartition(" ") for line in Path(found.name).read_text().splitlines()]
    stacks: Counter[tuple[str, ...]] = Counter()
    for stack, _, times in lines:
        frames = tuple(frame for frame in stack.split(";") if frame.strip())
        if any("uvicorn" in frame for frame in frames):  # not the threads, which wait for work
            stacks[frames] += int(times)
    return stacks


def _part(name: str, stacks: Counter[tuple[str, ...]]) -> str:
    total = stacks.total()
    own: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for stack, times in stacks.items():
        own[_called(stack[-1])] += times
        packages[_package(stack[-1])] += times
        for frame in {_called(frame) for frame in stack if _package(frame) == "expenses"}:
            below[frame] += times

    def rows(counted: Counter[str], most: int) -> list[str]:
        return [f"| {what} | {times / total:.0%} |" for what, times in counted.most_common(most)]

    return "\n".join(
        [
            f"## {name}\n\n{total} samples.\n\n| whose code runs | share |\n| --- | --- |",
            *rows(packages, 8),
            "\n| function, itself | share |\n| --- | --- |",
            *rows(own, TOP),
            "\n| function of ours, with what it calls | share |\n| --- | --- |",
            *rows(below, TOP),
            "",
        ]
    )


def _called(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"`{found[1]}` ({'/'.join(Path(found[2]).parts[-2:])})" if found else f"`{frame}`"


def _package(frame: str) -> str:
    return next((name for name in _PACKAGES if f"{name}/" in frame), "Python and others")


if __name__ == "__main__":
    main()
