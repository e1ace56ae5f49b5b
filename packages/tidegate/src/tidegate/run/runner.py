"""The beginning of a guarded run: look without a lock, and go on only if there is something to do.

This much every start pays for, so what only a real run needs is loaded behind the first look.
"""

from __future__ import annotations

from tidegate.database.answer import HeldUp
from tidegate.database.connect import connected
from tidegate.database.look import look
from tidegate.project.graph import read_graph
from tidegate.run.request import is_done, spelled_out
from tidegate.run.signals import noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.report.state import Judgement
    from tidegate.run.request import Request


def migrate(
    request: Request, *, tell: Callable[[str], None], enter: Callable[..., None] = lambda *_: None
) -> Judgement:
    """The state after the run. Nothing to do is a success that takes no lock and writes nothing.

    Args:
        enter: Called at the beginning of each phase with its name, and while migrating with a function that
            says at which revision we are. Not called when there is nothing to wait for and nothing to do.

    Raises:
        TidegateError: As its subclasses say; the database is at a revision boundary or at what the error names.
    """

    def tell_wait(line: str) -> None:
        enter("waiting for the database")
        tell(line)

    with noted() as signals:
        graph = read_graph(request.project)
        request = spelled_out(request, graph)
        with connected(
            request.database, wait_s=request.wait_for_db_s, purpose="control", tell=tell_wait, check=signals.check
        ) as control:
            try:
                state = look(control, graph, request.project.version_table)
            except HeldUp:  # by a run at work that has locked the version table: the lock is what to wait for then
                state = None
            if state is None or not is_done(request, graph, state):
                from tidegate.run.guarded import Run

                state = Run(request, graph, control, tell=tell, signals=signals, enter=enter).execute()
        signals.check(f"when everything was done: the database is {state.state}")
        return state
