"""What every verb needs to know: which project, which database, how long to wait."""

from __future__ import annotations

import os
from typing import NamedTuple

from tidegate.database.url import Database, find_database
from tidegate.errors import UsageError
from tidegate.project.configuration import Project, read_project
from tidegate.report.duration import parse_duration
from tidegate.run.pace import LOCK_TIMEOUT_S, RETRY_ATTEMPTS, RETRY_FOR_S, Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.run.request import Request

CONFIG_VARIABLE = "TIDEGATE_CONFIG"
ALEMBIC_VARIABLE = "ALEMBIC_CONFIG"
WAIT_FOR_DB_VARIABLE = "TIDEGATE_WAIT_FOR_DB"
LOCK_WAIT_VARIABLE = "TIDEGATE_LOCK_WAIT"
BEFORE_VARIABLE = "TIDEGATE_BEFORE"
BEFORE_TIMEOUT_VARIABLE = "TIDEGATE_BEFORE_TIMEOUT"
LOCK_TIMEOUT_VARIABLE = "TIDEGATE_LOCK_TIMEOUT"
LOCK_TIMEOUT_MAX_VARIABLE = "TIDEGATE_LOCK_TIMEOUT_MAX"
RETRY_FOR_VARIABLE = "TIDEGATE_RETRY_FOR"
RETRY_ATTEMPTS_VARIABLE = "TIDEGATE_RETRY_ATTEMPTS"
YES_VARIABLE = "TIDEGATE_YES"
"""The yes to a downgrade that loses data; `alembic downgrade` has no option for it."""

DEFAULT_CONFIG = "alembic.ini"
DEFAULT_WAIT_FOR_DB = "60s"
DEFAULT_LOCK_WAIT = "10m"
DEFAULT_BEFORE_TIMEOUT = "1h"


class Waits(NamedTuple):
    """How long to wait, in seconds."""

    for_db_s: float
    for_lock_s: float
    for_before_s: float
    pace: Pace
    """For the locks of the application's tables."""


class Target(NamedTuple):
    """The options that all verbs share, resolved."""

    project: Project
    database: Database
    waits: Waits
    before: str | None = None
    """A shell command that must succeed before a run's first statement."""

    def request(
        self,
        command: str,
        *,
        direction: str = "upgrade",
        target: str = "head",
        x_arguments: tuple[str, ...] = (),
        is_confirmed: bool = False,
    ) -> Request:
        """A run on this target."""
        from tidegate.database.dialect import as_env_py_expects
        from tidegate.run.request import Request

        return Request(
            project=self.project,
            database=self.database,
            command=command,
            direction=direction,
            target=target,
            worker_url=as_env_py_expects(self.database.url, self.project),
            wait_for_db_s=self.waits.for_db_s,
            lock_wait_s=self.waits.for_lock_s,
            pace=self.waits.pace,
            x_arguments=x_arguments,
            before=self.before,
            before_timeout_s=self.waits.for_before_s,
            is_confirmed=is_confirmed,
        )


def find_target(
    config: str | None = None,
    section: str = "alembic",
    database_url: str | None = None,
    wait_for_db: str | None = None,
    lock_wait: str | None = None,
    *,
    before: str | None = None,
    before_timeout: str | None = None,
    **patience: str | None,
) -> Target:
    """The target that these options and the environment name.

    Args:
        patience: As `read_pace` takes it.

    Raises:
        UsageError: No such file, no URL, or a wait that is no length of time.
    """
    from_environ = os.environ.get(CONFIG_VARIABLE) or os.environ.get(ALEMBIC_VARIABLE)
    project = read_project(config or from_environ or DEFAULT_CONFIG, section)
    explain = lambda: project.what_it_says_of_the_url(os.environ)  # noqa: E731 - two lines for one expression
    database = find_database(database_url, os.environ, project.sqlalchemy_url, explain=explain)
    waits = read_waits(os.environ, wait_for_db, lock_wait, before_timeout, **patience)
    return Target(project, database, waits, before or os.environ.get(BEFORE_VARIABLE) or None)


def read_waits(
    environ: Mapping[str, str],
    wait_for_db: str | None = None,
    lock_wait: str | None = None,
    before_timeout: str | None = None,
    **patience: str | None,
) -> Waits:
    """How long to wait: the options, then the environment, then the defaults."""
    for_db = wait_for_db or environ.get(WAIT_FOR_DB_VARIABLE) or DEFAULT_WAIT_FOR_DB
    for_lock = lock_wait or environ.get(LOCK_WAIT_VARIABLE) or DEFAULT_LOCK_WAIT
    for_before = before_timeout or environ.get(BEFORE_TIMEOUT_VARIABLE) or DEFAULT_BEFORE_TIMEOUT
    return Waits(
        parse_duration(for_db, "--wait-for-db"),
        parse_duration(for_lock, "--lock-wait"),
        parse_duration(for_before, "--before-timeout"),
        read_pace(environ, **patience),
    )


def read_pace(
    environ: Mapping[str, str],
    lock_timeout: str | None = None,
    lock_timeout_max: str | None = None,
    retry_for: str | None = None,
    retry_attempts: str | None = None,
) -> Pace:
    """How patient to be with others' locks: the options, then the environment, then the defaults.

    Raises:
        UsageError: One of them is no length of time, or no number of attempts.
    """
    first = lock_timeout or environ.get(LOCK_TIMEOUT_VARIABLE)
    timeout = parse_duration(first, "--lock-timeout") if first else LOCK_TIMEOUT_S
    last = lock_timeout_max or environ.get(LOCK_TIMEOUT_MAX_VARIABLE)
    budget = retry_for or environ.get(RETRY_FOR_VARIABLE)
    attempts = retry_attempts or environ.get(RETRY_ATTEMPTS_VARIABLE) or str(RETRY_ATTEMPTS)
    if not attempts.isdecimal() or int(attempts) < 1:
        raise UsageError(f"`--retry-attempts` is `{attempts}`, which is no number of attempts", hint="write `50`")
    return Pace(
        lock_timeout_s=timeout,
        lock_timeout_max_s=parse_duration(last, "--lock-timeout-max") if last else timeout,
        retry_for_s=parse_duration(budget, "--retry-for") if budget else RETRY_FOR_S,
        retry_attempts=int(attempts),
    )
