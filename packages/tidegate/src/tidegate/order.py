"""What a run tells its worker, and the lines the worker answers with.

The worker is a process of its own: `env.py` may configure logging, start an event loop or change global
state of Alembic without the caller noticing. The order travels as JSON in one environment variable, the
answers as JSON lines through a pipe, and a second pipe says that the parent still lives.
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
    events_fd: int
    lifeline_fd: int
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
