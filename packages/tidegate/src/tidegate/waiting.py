"""`tidegate wait`: until the database answers, or until its schema is one that this code can serve on."""

from __future__ import annotations

import time

from tidegate.connect import connected
from tidegate.duration import show_duration
from tidegate.errors import WrongSchema
from tidegate.graph import read_graph
from tidegate.look import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.target import Target

POLL_S = 0.25
"""Pause between looks at the schema."""


def wait_for_database(target: Target, seconds: float, _tell: Callable[[str], None]) -> None:
    """Return when the database answers; prints nothing when it does at once.

    Raises:
        DatabaseUnreachable: The time is over.
        DatabaseRefused: It answers and refuses, at once.
    """
    with connected(target.database, wait_s=seconds, purpose="wait"):
        return


def wait_for_schema(target: Target, seconds: float, tell: Callable[[str], None]) -> None:
    """Return when the database answers and its schema can be served on.

    Raises:
        WrongSchema: The time is over. Carries the state and its exit code.
    """
    graph = read_graph(target.project)
    deadline = time.monotonic() + seconds
    with connected(target.database, wait_s=seconds, purpose="wait") as connection:
        told = False
        while not (now := look(connection, graph, target.project.version_table)).may_serve:
            if time.monotonic() >= deadline:
                raise WrongSchema(
                    f"waited {show_duration(seconds)} for the schema, which is {now.state}: {now.reason}",
                    hint="run `tidegate upgrade`, or wait longer with `--timeout 5m`",
                    state=now.state,
                    exit_code=now.exit_code,
                )
            if not told:
                tell(f"waiting for the schema, which is {now.state}: {now.reason}")
                told = True
            time.sleep(POLL_S)
