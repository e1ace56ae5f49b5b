"""`tidegate wait`: until the database answers, or until its schema is one that this code can serve on."""

from __future__ import annotations

import time

from tidegate.database.asking import ANSWER_WITHIN_S
from tidegate.database.connect import connected
from tidegate.database.look import look
from tidegate.errors import DatabaseUnreachable, WrongSchema
from tidegate.project.graph import read_graph
from tidegate.report.duration import show_duration
from tidegate.run.signals import noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement
    from tidegate.report.target import Target
    from tidegate.run.signals import Signals

POLL_S = 0.25
"""Pause between looks at the schema."""

LEAST_S = 2.0
"""What an answer gets at the end of the time; libpq rounds up to that, too."""


def wait_for_database(target: Target, seconds: float, tell: Callable[[str], None]) -> None:
    """Return when the database answers; says nothing when it does at once.

    Raises:
        DatabaseUnreachable: The time is over.
        DatabaseRefused: It answers and refuses, at once.
    """
    with (
        noted() as signals,
        connected(target.database, wait_s=seconds, purpose="wait", tell=tell, check=signals.check),
    ):
        return


def wait_for_schema(target: Target, seconds: float, tell: Callable[[str], None]) -> None:
    """Return when the database answers and its schema can be served on. A lost connection is made again.

    Raises:
        WrongSchema: The time is over. Carries the state and its exit code.
    """
    graph = read_graph(target.project)
    deadline = time.monotonic() + seconds
    with noted() as signals:
        told: set[str] = set()
        while not (now := _look(target, graph, deadline, tell, signals)).may_serve:
            if time.monotonic() >= deadline:
                raise WrongSchema(
                    f"waited {show_duration(seconds)} for the schema, which is {now.state}: {now.reason}",
                    hint="run `tidegate upgrade`, or wait longer with `--timeout 5m`",
                    state=now.state,
                    exit_code=now.exit_code,
                )
            if now.state not in told:
                tell(f"waiting for the schema, which is {now.state}: {now.reason}")
                told.add(now.state)
            time.sleep(POLL_S)


def _look(target: Target, graph: Graph, deadline: float, tell: Callable[[str], None], signals: Signals) -> Judgement:
    """What is there. A database that hangs is asked again and again on new connections, until the time is over."""
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            with connected(
                target.database,
                wait_s=left,
                purpose="wait",
                tell=tell,
                check=signals.check,
                answer_within_s=max(LEAST_S, min(ANSWER_WITHIN_S, left)),
            ) as connection:
                return look(connection, graph, target.project.version_table)
        except DatabaseUnreachable as exc:
            if time.monotonic() >= deadline:
                raise
            tell(f"waiting: {exc.message}")
            time.sleep(POLL_S)
