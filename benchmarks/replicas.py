"""Claim: of 8 replicas that start at once with a migration of 1 s, none fails, and the last is soon ready.

Soon is at most 1.3 times what one alone needs. Ours: 8 times `tidegate run -- true` on an empty database.
Rival: 8 times `alembic upgrade head`, with Alembic's own `env.py`. Five rounds, each on new databases; the
times are medians.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from harness import BIN, measure, median, report
from projects import environment, write_project
from tools.postgres import temporary_cluster

if TYPE_CHECKING:
    from tools.postgres import Cluster

REPLICAS = 8
ROUNDS = 5
STATEMENTS = ["CREATE TABLE t (id int)", "SELECT pg_sleep(1)", "CREATE TABLE u (id int)"]


def start_together(cluster: Cluster, folder: Path, command: list[str], count: int) -> tuple[float, int]:
    """Seconds until the last of `count` processes is ready, and how many failed, on a new database."""
    name = f"db_{time.monotonic_ns()}"
    connection = psycopg2.connect(cluster.url)
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    env = environment(cluster.database_url(name))
    began = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        samples = list(pool.map(lambda _: measure(command, cwd=folder, env=env), range(count)))
    return time.perf_counter() - began, sum(sample.code != 0 for sample in samples)


def main() -> None:
    """Measure and report."""
    tidegate = [str(BIN / "tidegate"), "run", "--", "true"]
    alembic = [str(BIN / "alembic"), "upgrade", "head"]
    with tempfile.TemporaryDirectory() as name, temporary_cluster() as cluster:
        ours = write_project(Path(name) / "ours", STATEMENTS, guarded=True)
        plain = write_project(Path(name) / "plain", STATEMENTS, guarded=False)
        alone, together, rival = [], [], []
        for _ in range(ROUNDS):
            alone.append(start_together(cluster, ours, tidegate, 1))
            together.append(start_together(cluster, ours, tidegate, REPLICAS))
            rival.append(start_together(cluster, plain, alembic, REPLICAS))
    shutil.rmtree(cluster.folder, ignore_errors=True)
    alone_s, together_s = median([seconds for seconds, _ in alone]), median([seconds for seconds, _ in together])
    report(
        "replicas",
        {
            "one alone (s)": alone_s,
            "the last of 8 (s)": together_s,
            "the last of 8 / one alone": together_s / alone_s,
            "ours: processes that failed": sum(failed for _, failed in together),
            "plain Alembic: processes that failed": sum(failed for _, failed in rival),
            "processes started each": REPLICAS * ROUNDS,
        },
        {"the last of 8 / one alone": 1.3, "ours: processes that failed": 0},
    )


if __name__ == "__main__":
    main()
