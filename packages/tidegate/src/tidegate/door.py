"""The door that a bare `alembic upgrade head` goes through: `tidegate.guard()` at the top of `env.py`.

Alembic's command is carried out by the same runner as `tidegate upgrade`, in a worker that runs this
`env.py` once more; then Alembic goes on and finds nothing left to do. One path for all doors, so one run
that passes two of them cannot wait for itself.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from tidegate.errors import TidegateError, UsageError
from tidegate.output import complain, tell
from tidegate.worker import is_worker

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

_GUARDED = {"upgrade", "downgrade"}
"""Alembic's commands that change a schema by running revisions."""


def guard(url: str | None = None) -> None:
    """Carry out Alembic's running `upgrade` or `downgrade` guarded; do nothing for its other commands.

    Call it at the top of `env.py`, before anything connects.

    Args:
        url: The database, where `env.py` does not take it from `sqlalchemy.url` or the environment.

    Raises:
        TidegateError: When a program runs Alembic. On Alembic's command line the error is printed instead
            and the process ends with its exit code.
    """
    if is_worker():
        return
    environment = _environment()
    command = _running_command(environment)
    if command is None:
        return
    try:
        _migrate(environment, command, url)
    except TidegateError as exc:
        if environment.config.cmd_opts is None:
            raise
        complain(exc)
        sys.exit(exc.exit_code)
    environment.context_opts["fn"] = lambda _revision, _context: []


def _environment() -> EnvironmentContext:
    from alembic import context

    proxy = getattr(context, "_proxy", None)
    if proxy is None:
        raise UsageError("`tidegate.guard()` was called outside of an `env.py`", hint="call it at the top of `env.py`")
    return proxy  # type: ignore[no-any-return]  # Alembic's module proxy is untyped


def _running_command(environment: EnvironmentContext) -> str | None:
    if environment.is_offline_mode():
        return None
    name = getattr(environment.context_opts.get("fn"), "__name__", None)
    return name if name in _GUARDED else None


def _migrate(environment: EnvironmentContext, command: str, url: str | None) -> None:
    from tidegate.project import SECTION, Project
    from tidegate.runner import Request, migrate
    from tidegate.target import read_waits
    from tidegate.url import find_database

    config = environment.config
    if config.attributes.get("connection") is not None:
        raise UsageError(
            "Alembic was given a connection of its caller's, which a guarded run cannot use",
            hint="give it a URL instead, or call `tidegate.guard()` only where no connection is given",
        )
    options = {name: config.get_main_option(name) or "" for name in _option_names(config)}
    settings = dict(config.file_config.items(SECTION)) if config.file_config.has_section(SECTION) else {}
    project = Project(config.config_file_name, config.config_ini_section, options, settings)
    target = str(environment.context_opts["destination_rev"])
    waits = read_waits(os.environ)
    request = Request(
        project=project,
        database=find_database(url, os.environ, project.sqlalchemy_url, ini_first=True),
        command=f"alembic {command} {target}",
        direction=command,
        target=target,
        wait_for_db_s=waits.for_db_s,
        lock_wait_s=waits.for_lock_s,
        x_arguments=tuple(getattr(config.cmd_opts, "x", None) or ()),
        tag=environment.context_opts.get("tag"),
    )
    migrate(request, tell=tell)


def _option_names(config: Any) -> list[str]:
    section = config.config_ini_section
    return list(config.file_config.options(section)) if config.file_config.has_section(section) else []
