"""Attempts at one database that are killed at random moments, and a watch that no two of them work at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psycopg2

if TYPE_CHECKING:
    import random
    import subprocess
    from collections.abc import Iterator
    from datetime import datetime

    from histories.database import Ground

ATTEMPT_TIMEOUT_S = 180.0
"""When an attempt has ended by then neither by our kill nor by itself, it hangs."""

START_S = 4.0
"""Importing a package takes about this long before its first revision begins; on a quick machine, somewhat less."""

EARLY = 0.2
"""The share of kills before the first revision; the others are aimed at the revisions, which take milliseconds each."""

WORKING = """
SELECT array_agg(DISTINCT attempt), array_agg(left(query, 60)) FROM (
    SELECT query, (SELECT count(*) FROM unnest(%s::timestamptz[]) began WHERE began <= backend_start) AS attempt
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name NOT LIKE 'tidegate %%'
    AND (state <> 'idle' OR xact_start IS NOT NULL)
) AS session
"""
"""Which attempts have a session at work, seen from the server: a session belongs to the attempt it began in."""


@dataclass
class Moment:
    """When to kill: after so many revisions have begun, and then so much later."""

    revisions: int
    pause_s: float


def moments(rng: random.Random, *, revisions: int, kills: int) -> Iterator[Moment]:
    """Random moments without end, spread so that about that many kills fall on one history."""
    most = max(2, 2 * revisions // kills)
    while True:
        if rng.random() < EARLY:
            yield Moment(0, rng.uniform(0, START_S))
        else:
            yield Moment(rng.randint(1, most), rng.uniform(0, 0.03))


@dataclass
class Attempts:
    """The attempts at one database, one after the other, without a pause between them."""

    ground: Ground
    url: str
    began: list[datetime] = field(default_factory=list)
    killed: int = 0
    code: int = 0
    """What the last attempt ended with."""
    said: str = ""
    """What the last attempt wrote."""

    def attempt(self, moment: Moment | None) -> int:
        """Start tidegate, kill it at that moment unless it has ended before, and answer its exit code."""
        with psycopg2.connect(self.url, application_name="tidegate test") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone() or (None,)
            self.began.append(now)
        connection.close()
        process = self.ground.installed.tidegate("upgrade", url=self.url)
        lines: list[str] = []
        drain = threading.Thread(target=_read_and_kill, args=(process, moment, lines))
        drain.start()
        drain.join(ATTEMPT_TIMEOUT_S)
        if drain.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            drain.join()
            raise AssertionError("an attempt hangs:\n" + "".join(lines[-30:]))
        if process.stdout is not None:
            process.stdout.close()
        self.code = process.wait()
        self.killed += self.code == -signal.SIGKILL
        self.said = "".join(lines)
        return self.code


def _read_and_kill(process: subprocess.Popen[str], moment: Moment | None, lines: list[str]) -> None:
    assert process.stderr is not None
    timer = threading.Timer(moment.pause_s if moment else 0, os.kill, (process.pid, signal.SIGKILL))
    left = moment.revisions if moment else -1
    if left == 0:
        timer.start()
    for line in process.stderr:
        lines.append(line)
        left -= line.startswith("tidegate: [")
        if left == 0 and timer.ident is None and moment is not None and moment.revisions:
            timer.start()
    process.stderr.close()
    timer.cancel()


class Watch:
    """Looks fifty times a second whether sessions of two attempts are at work at once."""

    def __init__(self, attempts: Attempts) -> None:
        self.overlaps: list[str] = []
        self.looks = 0
        self._attempts = attempts
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        connection = psycopg2.connect(self._attempts.url, application_name="tidegate test")
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._over.is_set():
                cursor.execute(WORKING, (list(self._attempts.began),))
                attempts, queries = cursor.fetchone() or ([], [])
                self.looks += 1
                if attempts and len(attempts) > 1:
                    self.overlaps.append(f"attempts {attempts}: {queries}")
                time.sleep(0.02)
        connection.close()
