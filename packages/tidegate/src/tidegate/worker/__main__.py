"""The process that runs Alembic for a guarded run: `python -m tidegate.worker`, started by `runner` only.

It dies with its parent: at once where the kernel can arrange that (Linux), else when the lifeline closes.
Its server session then ends within a second, because of `client_connection_check_interval`, and holds the
fence until it has.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from typing import Any

from tidegate.run.order import VARIABLE, Order
from tidegate.worker.dialogue import Dialogue

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Carry out the order in the environment; the exit code is 0 or 1, the account goes through the pipe."""
    order = Order.from_json(os.environ.pop(VARIABLE))
    for fd in (order.events_fd, order.answers_fd):
        os.set_inheritable(fd, False)  # what an env.py leaves running in the background must not keep us waiting
    dialogue = Dialogue(events_fd=order.events_fd, answers_fd=order.answers_fd)
    _die_with_parent(order)
    dialogue.listen()
    sys.path.extend(folder for folder in order.sys_path if folder not in sys.path)
    try:
        _migrate(order, dialogue)
    except BaseException as exc:  # noqa: BLE001 - the parent must hear of everything, SystemExit of an env.py too
        dialogue.emit("error", **_describe(exc))
        sys.stdout.flush()
        os._exit(1)
    dialogue.emit("done")


def is_worker() -> bool:
    """Whether this process is a worker, so that `guard()` in `env.py` has nothing to do."""
    main_module = sys.modules.get("__main__")
    spec = getattr(main_module, "__spec__", None)
    return spec is not None and spec.name == "tidegate.worker.__main__"


def _migrate(order: Order, dialogue: Dialogue) -> None:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    from tidegate.project.alembic_config import alembic_config
    from tidegate.project.configuration import Project
    from tidegate.project.env_py import run_env
    from tidegate.run.journal import Journal
    from tidegate.worker.hooks import Progress, announced, attach
    from tidegate.worker.sessions import watch_sessions
    from tidegate.worker.statements import watch_statements

    project = Project(order.config_file, order.section, order.options, {}, order.toml_file)
    config = alembic_config(project, sqlalchemy_url=_with_a_driver(order.sqlalchemy_url))
    config.cmd_opts = _command_line(order)
    script = ScriptDirectory.from_config(config)
    journal = Journal(run_id=order.run_id, direction=order.direction, emit=dialogue.emit)
    progress = Progress(dialogue.emit, journal)
    watch_sessions(is_pooled=order.is_pooled, lock_timeout_s=order.lock_timeout_s)
    watch_statements(progress, dialogue, journal)

    def steps(revision: Any, _context: Any) -> Any:
        plan = script._upgrade_revs if order.direction == "upgrade" else script._downgrade_revs  # noqa: SLF001 - what alembic.command calls
        return announced(plan(order.target, revision), progress)

    environment = EnvironmentContext(config, script, fn=steps, destination_rev=order.target, tag=order.tag)
    attach(environment, order=order, progress=progress)
    try:
        with environment:
            run_env(script, has_begun=lambda: progress.reached_configure)
    except BaseException as exc:
        exc.tidegate_progress = progress  # type: ignore[attr-defined]  # `_describe` says where it happened
        exc.tidegate_file = _file_of(exc, script.dir)  # type: ignore[attr-defined]  # as above
        raise
    if not progress.reached_configure:
        raise RuntimeError("`env.py` never called `context.configure()`")


def _file_of(exc: BaseException, folder: str) -> str | None:
    """The file of the project that is to blame: a revision's if one was being loaded, else usually `env.py`."""
    if isinstance(exc, SyntaxError):
        return exc.filename
    frames = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)]
    ours = [name for name in frames if os.path.abspath(name).startswith(os.path.abspath(folder) + os.sep)]
    return ours[-1] if ours else None


def _command_line(order: Order) -> Any:
    from argparse import Namespace

    return Namespace(x=order.x_arguments or None, name=order.section, config=order.config_file, raiseerr=True)


def _with_a_driver(url: str | None) -> str | None:
    """The URL with a driver that is installed: SQLAlchemy 2.1's default is psycopg 3, which need not be there."""
    if url is None:
        return None
    scheme, _, rest = url.partition("://")
    if "+" in scheme:
        return url
    from importlib.util import find_spec

    return f"postgresql+{'psycopg' if find_spec('psycopg') else 'psycopg2'}://{rest}"


def _die_with_parent(order: Order) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order.parent_pid:
        os._exit(1)


def _describe(exc: BaseException) -> dict[str, Any]:
    """What went wrong, in facts that the parent words; never the parameters of a statement."""
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError, PendingRollbackError, StatementError

    from tidegate.run.journal import HalfDone
    from tidegate.worker.sessions import PooledSession, WorkerRefused
    from tidegate.worker.statements import Stopped

    progress = getattr(exc, "tidegate_progress", None)
    exc = _stop_in(exc) or exc
    while isinstance(exc, PendingRollbackError) and exc.__context__ is not None:
        exc = exc.__context__  # the end of an autocommit block complains of the connection that an error has cost us
    facts: dict[str, Any] = {
        "kind": "python",
        "message": f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__,
        "revision": progress.revision if progress else None,
        "committed_part": bool(progress and progress.committed_part),
        "statement": None,
        "sqlstate": None,
        "where": None,
        "file": getattr(exc, "tidegate_file", None),
    }
    if isinstance(exc, StatementError):
        is_from_server = isinstance(exc, DBAPIError)
        facts |= {"kind": "database", "message": _driver_message(exc.orig) if is_from_server else str(exc.orig)}
        facts |= {"statement": exc.statement, "sqlstate": _sqlstate_of(exc.orig) if is_from_server else None}
    elif _sqlstate_of(exc) is not None:  # a cursor of the driver itself
        facts |= {"kind": "database", "message": _driver_message(exc), "sqlstate": _sqlstate_of(exc)}
        facts |= {"statement": progress.statement if progress else None}
    elif isinstance(exc, CommandError):
        facts |= {"kind": "alembic", "message": str(exc)}
    elif isinstance(exc, Stopped):
        facts |= {"kind": "stopped", "message": str(exc), "statement": exc.statement, "is_final": exc.is_final}
        facts |= {"sqlstate": exc.sqlstate}
    elif isinstance(exc, HalfDone):
        facts |= {"kind": "half_done", "message": str(exc)}
    elif isinstance(exc, (WorkerRefused, PooledSession)):
        facts |= {"kind": "pooler" if isinstance(exc, PooledSession) else "refused", "message": str(exc)}
    else:
        facts["where"] = "".join(traceback.format_tb(exc.__traceback__)[-6:])
    return facts


def _stop_in(exc: BaseException) -> BaseException | None:
    """The parent's word that ended the attempt, where an error on the way out of a block covers it up."""
    from tidegate.worker.statements import Stopped

    link: BaseException | None = exc
    while link is not None:
        if isinstance(link, Stopped):
            return link
        link = link.__cause__ or link.__context__
    return None


def _driver_message(error: Any) -> str:
    """What the server said first, with its detail; without a driver's additions."""
    diag = getattr(error, "diag", None)
    primary = getattr(diag, "message_primary", None)
    if primary:
        detail = getattr(diag, "message_detail", None)
        return f"{primary} ({detail})" if detail else str(primary)
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _sqlstate_of(error: Any) -> str | None:
    for link in (error, getattr(error, "__cause__", None)):
        state = getattr(link, "sqlstate", None) or getattr(link, "pgcode", None)
        if isinstance(state, str):
            return state
    return None


if __name__ == "__main__":
    main()
