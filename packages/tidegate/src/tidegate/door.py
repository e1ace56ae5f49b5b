"""The door that a bare `alembic upgrade head` goes through: `tidegate.guard()` at the top of `env.py`.

Alembic's command is carried out by the same runner as `tidegate upgrade`, in a worker that runs this
`env.py` once more; then Alembic goes on and finds nothing left to do. One path for all doors, so one run
that passes two of them cannot wait for itself.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tidegate.errors import TidegateError, UsageError
from tidegate.output import complain, tell
from tidegate.worker.__main__ import is_worker

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
    from tidegate.database.dialect import as_env_py_expects
    from tidegate.database.url import VARIABLES, find_database
    from tidegate.project.configuration import SECTION, Project, find_toml_file, section_values
    from tidegate.report.target import BEFORE_VARIABLE, YES_VARIABLE, read_waits
    from tidegate.run.request import Request
    from tidegate.run.runner import migrate
    from tidegate.run.switch import read_switch

    config = environment.config
    if config.attributes.get("connection") is not None:
        raise UsageError(
            "Alembic was given a connection of its caller's, which a guarded run cannot use",
            hint="give it a URL instead, or call `tidegate.guard()` only where no connection is given",
        )
    options = section_values(config.file_config, config.config_ini_section)
    settings = section_values(config.file_config, SECTION)
    project = Project(config.config_file_name, config.config_ini_section, options, settings, find_toml_file())
    target = str(environment.context_opts["destination_rev"])
    waits = read_waits(os.environ)
    database = find_database(url, os.environ, project.sqlalchemy_url, ini_first=True)
    is_ours = database.origin == f"`{VARIABLES[0]}`"  # meant for migrations only: `env.py` does not know it
    request = Request(
        project=project,
        database=database,
        worker_url=as_env_py_expects(database.url, project) if is_ours else None,
        command=f"alembic {command} {target}",
        direction=command,
        target=target,
        wait_for_db_s=waits.for_db_s,
        lock_wait_s=waits.for_lock_s,
        pace=waits.pace,
        x_arguments=tuple(getattr(config.cmd_opts, "x", None) or ()),
        tag=environment.context_opts.get("tag"),
        before=os.environ.get(BEFORE_VARIABLE) or None,
        before_timeout_s=waits.for_before_s,
        is_confirmed=read_switch(os.environ, YES_VARIABLE),
    )
    migrate(request, tell=tell)
