"""Claim: a column is added behind a reader of 10 s, and no query of the application waits longer than 0.15 s.

Five readers and five writers use a table while a report reads it in a transaction of 10 s and a revision adds
a column. Ours: `tidegate upgrade`. Rivals in the same run, on the same data: plain Alembic, and plain Alembic
whose revision sets a lock timeout of 5 s. What counts is the longest query of the application; three rounds,
of which the worst counts.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from harness import BIN, median, report
from projects import environment, write_project
from tools.postgres import temporary_cluster

if TYPE_CHECKING:
    from tools.postgres import Cluster

REPORT_S = 10.0
ROUNDS = 3
PAIRS = 5
ADD = "ALTER TABLE account ADD COLUMN x int"
READ = "SELECT n FROM account WHERE id = {}"
WRITE = "UPDATE account SET n = n + 1 WHERE id = {}"


class Seen(NamedTuple):
    """What an application went through."""

    longest_s: float
    failed: int
    queries: int
    migrated_s: float
    """From the command to its end."""
    code: int


class Application:
    """Readers and writers, each on a connection and a row of its own."""

    def __init__(self, url: str) -> None:
        self.longest, self.failed, self.queries = 0.0, 0, 0
        self._stop = threading.Event()
        queries = [text.format(row) for row in range(PAIRS) for text in (READ, WRITE)]
        self._threads = [threading.Thread(target=self._work, args=(url, query)) for query in queries]
        for thread in self._threads:
            thread.start()

    def _work(self, url: str, query: str) -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        cursor = connection.cursor()
        while not self._stop.is_set():
            began = time.perf_counter()
            try:
                cursor.execute(query)
            except psycopg2.Error:
                self.failed += 1
            self.longest = max(self.longest, time.perf_counter() - began)
            self.queries += 1
            time.sleep(0.005)
        connection.close()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def measure_one(cluster: Cluster, folder: Path, command: list[str]) -> Seen:
    """One migration on a new database."""
    name = f"db_{time.monotonic_ns()}"
    run(cluster.url, f"CREATE DATABASE {name}")
    url = cluster.database_url(name)
    run(url, "CREATE TABLE account AS SELECT id, 0 AS n FROM generate_series(0, 9999) id")
    run(url, "CREATE INDEX ON account (id)")
    application = Application(url)
    reader = psycopg2.connect(url)
    reader.cursor().execute("SELECT count(*) FROM account")
    timer = threading.Timer(REPORT_S, reader.close)
    timer.start()
    time.sleep(0.5)
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(url), capture_output=True, check=False)
    migrated = time.perf_counter() - began
    timer.join()
    application.stop()
    return Seen(application.longest, application.failed, application.queries, migrated, done.returncode)


def run(url: str, statement: str) -> None:
    """One statement in autocommit mode."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def main() -> None:
    """Measure and report."""
    alembic, tidegate = [str(BIN / "alembic"), "upgrade", "head"], [str(BIN / "tidegate"), "upgrade"]
    with tempfile.TemporaryDirectory() as name, temporary_cluster() as cluster:
        plain = write_project(Path(name) / "plain", [ADD], guarded=False)
        timed = write_project(Path(name) / "timed", [f"SET lock_timeout = '5s'; {ADD}"], guarded=False)
        rounds = [
            [measure_one(cluster, *rival) for rival in ((plain, tidegate), (plain, alembic), (timed, alembic))]
            for _ in range(ROUNDS)
        ]
    shutil.rmtree(cluster.folder, ignore_errors=True)
    ours, rival, fixed = ([seen[i] for seen in rounds] for i in range(3))
    worst = [max(seen.longest_s for seen in column) for column in (ours, rival, fixed)]
    report(
        "blocking",
        {
            "ours: longest query (s)": worst[0],
            "plain Alembic: longest query (s)": worst[1],
            "lock timeout of 5 s: longest query (s)": worst[2],
            "ours / plain Alembic": worst[0] / worst[1],
            "ours: failed queries": sum(seen.failed for seen in ours),
            "ours: failed migrations": sum(seen.code != 0 for seen in ours),
            "lock timeout of 5 s: failed migrations": sum(seen.code != 0 for seen in fixed),
            "ours: from the command to its end (s)": median([seen.migrated_s for seen in ours]),
            "plain Alembic: the same (s)": median([seen.migrated_s for seen in rival]),
            "queries of the application beside ours": sum(seen.queries for seen in ours),
        },
        {"ours: longest query (s)": 0.15, "ours: failed queries": 0, "ours: failed migrations": 0},
    )


if __name__ == "__main__":
    main()
