"""What a run tells its worker when it starts it.

The worker is a process of its own: `env.py` may configure logging, start an event loop or change global
state of Alembic without the caller noticing. The order travels as JSON in one environment variable; what the
worker tells and asks, and what it is answered, are lines of JSON through a pipe each (`dialogue`).
"""

from __future__ import annotations

import json
from typing import NamedTuple

VARIABLE = "TIDEGATE_WORKER"
"""Environment variable of the worker that holds its order; removed before `env.py` runs."""


class Order(NamedTuple):
    """Everything a worker needs to know."""

    config_file: str | None
    toml_file: str | None
    section: str
    options: dict[str, str]
    """Values of the configuration section, with what a program set on top."""
    sqlalchemy_url: str | None
    """Holds the password; it travels in the environment of our own child only."""
    direction: str
    target: str
    run_id: int
    control_pid: int
    """Server process of the connection that holds the mutex."""
    is_pooled: bool
    """Whether our own connections go through a pooler, by session; then the worker's may, too."""
    lock_timeout_s: float
    """What every session may wait for a lock; zero is no limit."""
    events_fd: int
    answers_fd: int
    """Where the parent answers; it is at its end when the parent is."""
    parent_pid: int
    sys_path: list[str]
    """Where the parent finds modules; the worker looks there too, after its own places."""
    x_arguments: list[str]
    tag: str | None

    def to_json(self) -> str:
        """The order as it travels."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> Order:
        """The order as it arrives."""
        return cls(**json.loads(text))
