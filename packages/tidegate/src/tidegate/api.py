"""What a program calls: a guarded upgrade that leaves its logging, its event loop and its environment alone."""

from __future__ import annotations

from tidegate.output import tell as tell_on_stderr
from tidegate.report.target import find_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.report.state import Judgement


def upgrade(
    config: str = "alembic.ini",
    revision: str = "head",
    *,
    database_url: str | None = None,
    tell: Callable[[str], None] = tell_on_stderr,
) -> Judgement:
    """The state after an upgrade, as `tidegate upgrade` does it. Blocks; call it in a thread from async code.

    `env.py` runs in a process of its own, so nothing of it reaches the caller.

    Raises:
        TidegateError: As its subclasses say.
    """
    from tidegate.run.runner import migrate

    return migrate(
        find_target(config, database_url=database_url).request("tidegate.upgrade", target=revision), tell=tell
    )
