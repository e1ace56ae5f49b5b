"""How `env.py` is run: plainly, and where it asks for it, in a worker thread of an event loop.

An `env.py` may be written for a server that migrates when it starts, in a thread beside its loop. Prefect's is
(`run_async_from_worker_thread`): Alembic's own command cannot run it, and Prefect's command runs it in such a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.script import ScriptDirectory


def run_env(script: ScriptDirectory, *, has_begun: Callable[[], bool]) -> None:
    """Run the project's `env.py`.

    Args:
        has_begun: Whether it has configured the migration; then nothing is run a second time.
    """
    try:
        script.run_env()
    except RuntimeError as exc:
        if has_begun() or not _asks_for_a_loop(exc):
            raise
    else:
        return
    import anyio.to_thread

    anyio.run(anyio.to_thread.run_sync, script.run_env)


def _asks_for_a_loop(exc: RuntimeError) -> bool:
    """Whether AnyIO refused because there is no event loop that started this thread.

    Told by where it was raised: its class has a name of its own only since AnyIO 4.10.
    """
    at = exc.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and at.tb_frame.f_globals.get("__name__") == "anyio.from_thread"
