"""What is asked of a run, and whether a database is there already."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.errors import WrongSchema
from tidegate.run.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.database.url import Database
    from tidegate.project.configuration import Project
    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement

WAYS_OUT = {
    "incompatible": "start the newer version again, or downgrade the database with the newer version's image first",
    "diverged": "join the heads with `alembic merge heads`, or start the version whose branch the database is on",
    "unknown": "start the version that migrated last (`tidegate history` names it), or restore the matching backup; "
    "if this version table is another project's, name yours in `[tidegate] version_table`",
}
"""The way out of a state in which nothing can be migrated."""


class Request(NamedTuple):
    """What is asked of a run."""

    project: Project
    database: Database
    command: str
    """What the operator typed, for the record and for the hint to repeat it."""
    wait_for_db_s: float
    lock_wait_s: float
    pace: Pace = Pace()
    """How patient the run is with others' locks."""
    direction: str = "upgrade"
    target: str = "head"
    worker_url: str | None = None
    """The URL `sqlalchemy.url` is set to for `env.py`; nothing leaves it as it is."""
    x_arguments: tuple[str, ...] = ()
    tag: str | None = None
    before: str | None = None
    """A shell command that must succeed before the first statement."""
    before_timeout_s: float = 3600.0
    is_confirmed: bool = False
    """Whether the operator said yes to a downgrade that loses data."""


def spelled_out(request: Request, graph: Graph) -> Request:
    """The request with `head` meaning every branch's head, where the authors want several."""
    if request.target == "head" and len(graph.heads) > 1 and graph.has_one_head_per_branch():
        return request._replace(target="heads")
    return request


def is_done(request: Request, graph: Graph, now: Judgement) -> bool:
    """Whether the target is reached already.

    Raises:
        WrongSchema: It never can be from here.
    """
    target = request.target
    if request.direction == "downgrade":
        return now.current == (target,)
    if target == "heads" and now.state == "diverged" and all(id_ in graph for id_ in now.current):
        return not now.pending
    wanted = None if target == "head" else graph.resolve(target)
    if wanted and now.state == "diverged" and all(id_ in graph for id_ in now.current):
        return wanted <= graph.closure(now.current)  # one branch of several, by name
    if now.state in WAYS_OUT:
        raise WrongSchema(
            f"the database is {now.state}: {now.reason}",
            hint=WAYS_OUT[now.state],
            state=now.state,
            exit_code=now.exit_code,
        )
    if target in {"head", "heads"}:
        return now.state in {"current", "ahead"}
    return wanted is not None and wanted <= graph.closure(now.current)
