"""The process that runs Alembic for a guarded run: `python -m tidegate.worker`, started by `runner` only.

It dies with its parent: at once where the kernel can arrange that (Linux), else when the lifeline closes.
Its server session then ends within a second, because of `client_connection_check_interval`, and holds the
fence until it has.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from tidegate.order import VARIABLE, Order

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Carry out the order in the environment; the exit code is 0 or 1, the account goes through the pipe."""
    order = Order.from_json(os.environ.pop(VARIABLE))
    for fd in (order.events_fd, order.lifeline_fd):
        os.set_inheritable(fd, False)  # what an env.py leaves running in the background must not keep us waiting
    _die_with_parent(order)
    sys.path.extend(folder for folder in order.sys_path if folder not in sys.path)
    emit = _emitter(order.events_fd)
    try:
        _migrate(order, emit)
    except BaseException as exc:  # noqa: BLE001 - the parent must hear of everything, SystemExit of an env.py too
        emit("error", **_describe(exc))
        sys.stdout.flush()
        os._exit(1)
    emit("done")


def is_worker() -> bool:
    """Whether this process is a worker, so that `guard()` in `env.py` has nothing to do."""
    main_module = sys.modules.get("__main__")
    return getattr(main_module, "__spec__", None) is not None and main_module.__spec__.name == "tidegate.worker"  # type: ignore[union-attr]  # checked before the `and`


def _migrate(order: Order, emit: Callable[..., None]) -> None:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    from tidegate.alembic_config import alembic_config
    from tidegate.hooks import Progress, announced, attach
    from tidegate.project import Project
    from tidegate.sessions import watch_sessions

    project = Project(order.config_file, order.section, order.options, {}, order.toml_file)
    config = alembic_config(project, sqlalchemy_url=_with_a_driver(order.sqlalchemy_url))
    config.cmd_opts = _command_line(order)
    script = ScriptDirectory.from_config(config)
    progress = Progress(emit)
    watch_sessions(is_pooled=order.is_pooled)

    def steps(revision: Any, _context: Any) -> Any:
        plan = script._upgrade_revs if order.direction == "upgrade" else script._downgrade_revs  # noqa: SLF001 - what alembic.command calls
        return announced(plan(order.target, revision), progress)

    environment = EnvironmentContext(config, script, fn=steps, destination_rev=order.target, tag=order.tag)
    attach(environment, order=order, progress=progress)
    try:
        with environment:
            script.run_env()
    except BaseException as exc:
        exc.tidegate_progress = progress  # type: ignore[attr-defined]  # `_describe` says where it happened
        raise
    if not progress.reached_configure:
        raise RuntimeError("`env.py` never called `context.configure()`")


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


def _emitter(fd: int) -> Callable[..., None]:
    stream = os.fdopen(fd, "w", encoding="utf-8", buffering=1)

    def emit(event: str, /, **facts: Any) -> None:
        stream.write(json.dumps({"event": event, **facts}) + "\n")

    return emit


def _die_with_parent(order: Order) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order.parent_pid:
        os._exit(1)

    def watch() -> None:
        os.read(order.lifeline_fd, 1)  # returns when the parent's end is closed, by its death too
        os._exit(1)

    threading.Thread(target=watch, name="tidegate-lifeline", daemon=True).start()


def _describe(exc: BaseException) -> dict[str, Any]:
    """What went wrong, in facts that the parent words; never the parameters of a statement."""
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError, StatementError

    from tidegate.sessions import PooledSession, WorkerRefused

    progress = getattr(exc, "tidegate_progress", None)
    facts: dict[str, Any] = {
        "kind": "python",
        "message": f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__,
        "revision": progress.revision if progress else None,
        "committed_part": bool(progress and progress.committed_part),
        "statement": None,
        "sqlstate": None,
        "where": None,
    }
    if isinstance(exc, StatementError):
        is_from_server = isinstance(exc, DBAPIError)
        facts |= {"kind": "database", "message": _server_message(exc) if is_from_server else str(exc.orig)}
        facts |= {"statement": exc.statement, "sqlstate": _sqlstate(exc) if is_from_server else None}
    elif isinstance(exc, CommandError):
        facts |= {"kind": "alembic", "message": str(exc)}
    elif isinstance(exc, (WorkerRefused, PooledSession)):
        facts |= {"kind": "pooler" if isinstance(exc, PooledSession) else "refused", "message": str(exc)}
    else:
        facts["where"] = "".join(traceback.format_tb(exc.__traceback__)[-6:])
    return facts


def _server_message(exc: Any) -> str:
    diag = getattr(exc.orig, "diag", None)
    primary = getattr(diag, "message_primary", None)
    if primary:
        detail = getattr(diag, "message_detail", None)
        return f"{primary} ({detail})" if detail else str(primary)
    return str(exc.orig).strip().splitlines()[0] if str(exc.orig).strip() else type(exc.orig).__name__


def _sqlstate(exc: Any) -> str | None:
    for error in (exc.orig, getattr(exc.orig, "__cause__", None)):
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state:
            return str(state)
    return None


if __name__ == "__main__":
    main()
