"""A copy of the tree and the containers that Compose makes from it: commands are run as an operator types them.

Everything a `Stack` makes carries its own project name, and `remove` finds all of it by that name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ROOT = Path(__file__).parents[2]

PASSWORD = "stack test: a password with 'quotes', $signs & spaces/@:%"
"""What a production stack of the tests is given. Every character that a URL, a shell or an env file could trip over."""

TIMEOUT_S = 240
"""How long any one command may take. A build from nothing is the longest."""

_OPERATORS = (
    "POSTGRES_",
    "DATABASE_URL",
    "RUN_MIGRATIONS",
    "REGISTRATION",
    "TLS",
    "SERVER_NAME",
    "COMPOSE_",
    "TIDEGATE_",
)
"""Variables of the shell that runs the tests that must not reach Compose."""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Both streams, one after the other."""
        return self.stdout + self.stderr


@dataclass
class Stack:
    """One project. `production` says which of the two Compose files `compose` uses."""

    production: bool = False
    folder: Path = field(default_factory=lambda: copy_of_tree())  # noqa: PLW0108 - it is defined further down
    project: str = field(default_factory=lambda: f"stack-{uuid.uuid4().hex[:8]}")

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a shell in this stack's folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OPERATORS)}
        return kept | {"COMPOSE_PROJECT_NAME": self.project, "COMPOSE_ANSI": "never", "BUILDKIT_PROGRESS": "plain"}

    def sh(self, command: str, *, code: int | None = 0, timeout: float = TIMEOUT_S, **variables: str) -> Done:
        """Run a command line in the folder; `code` is what it has to exit with, None for anything."""
        started = time.monotonic()
        done = subprocess.run(  # noqa: S602 - a shell line is what operators type, and what is tested
            command,
            shell=True,
            cwd=self.folder,
            env=self.environ | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        result = Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)
        if code is not None and result.code != code:
            raise AssertionError(
                f"`{command}` exited {result.code}, not {code}\n--- stdout\n{result.stdout[-4000:]}\n"
                f"--- stderr\n{result.stderr[-6000:]}\n--- api\n{self.api_log()[-3000:]}"
            )
        return result

    def compose(self, arguments: str, *, code: int | None = 0, timeout: float = TIMEOUT_S) -> Done:
        """Run Compose on this stack's file."""
        file = "-f docker-compose.prod.yaml " if self.production else ""
        return self.sh(f"docker compose {file}{arguments}", code=code, timeout=timeout)

    def container(self, service: str) -> str:
        """Id of the service's container; its first when there are several."""
        return self.containers(service)[0]

    def containers(self, service: str, *, one_off: bool = False) -> list[str]:
        """Ids of the service's containers, stopped ones too; `one_off` for those that `run` made."""
        labels = {"project": self.project, "oneoff": one_off, "service": service}
        filters = " ".join(f"--filter label=com.docker.compose.{name}={value}" for name, value in labels.items())
        return self.sh(f"docker ps -aq {filters}").stdout.split()

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.sh(f"docker inspect {self.container(service)}").stdout)
        return found[0]

    def query(self, sql: str) -> str:
        """What psql answers in the database container, unaligned and without headers."""
        return self.compose(
            'exec -T db sh -c \'exec psql -XqAt -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v ON_ERROR_STOP=1 -c "$0"\' '
            + shell_quoted(sql)
        ).stdout.strip()

    def api_log(self) -> str:
        """What all containers of the api have written so far."""
        logs = [_log(container) for container in self.containers_or_none("api")]
        return "\n".join(logs)

    def containers_or_none(self, service: str) -> list[str]:
        """As `containers`, for use while a failure is being reported."""
        done = subprocess.run(
            ["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}",
             "--filter", f"label=com.docker.compose.service={service}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.split()

    def log(self, service: str) -> str:
        """Everything the service's containers have written so far: what went to stdout, then what went to stderr."""
        return "\n".join(_log(container) for container in self.containers(service))

    def log_since_start(self, service: str) -> str:
        """What the service's one container has written since it was last started or restarted."""
        return _log(self.container(service), "--since", self.inspect(service)["State"]["StartedAt"])

    def remove(self) -> None:
        """Remove every container, network and volume of this project, and the folder."""
        label = f"label=com.docker.compose.project={self.project}"
        for listing, removal in (
            (["docker", "ps", "-aq"], ["docker", "rm", "-f", "-v"]),
            (["docker", "volume", "ls", "-q"], ["docker", "volume", "rm", "-f"]),
            (["docker", "network", "ls", "-q"], ["docker", "network", "rm"]),
        ):
            found = subprocess.run([*listing, "--filter", label], capture_output=True, text=True, check=False)
            if found.stdout.split():
                subprocess.run([*removal, *found.stdout.split()], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def _log(container: str, *options: str) -> str:
    done = subprocess.run(["docker", "logs", *options, container], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def write_settings(stack: Stack, **settings: str) -> None:
    """Write an `.env.prod`: the example with a password, and with `settings` in place of its own."""
    settings = {"POSTGRES_PASSWORD": PASSWORD} | settings
    lines = (ROOT / ".env.prod.example").read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0] not in settings]
    kept += [f"{name}={_env_quoted(value)}" for name, value in settings.items()]
    (stack.folder / ".env.prod").write_text("\n".join(kept) + "\n")


def _env_quoted(value: str) -> str:
    return "'" + value.replace("'", "\\'") + "'" if value else ""


def copy_of_tree() -> Path:
    """What a fresh clone would hold, with what is not yet committed, in a new folder."""
    folder = Path(tempfile.mkdtemp(prefix="stack-"))
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def copied(folder: Path) -> Path:
    """A copy of a copy, in a new folder."""
    return Path(shutil.copytree(folder, tempfile.mkdtemp(prefix="stack-"), dirs_exist_ok=True))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as curl saw it; status 0 when there was none."""

    status: int
    headers: dict[str, str]
    body: str
    fields: tuple[tuple[str, str], ...] = ()
    """All headers as they came, those too that came more than once."""

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is of any type
        return json.loads(self.body)


def get(url: str, *options: str, timeout: float = 10) -> Answer:
    """Ask once. Certificates are not checked unless an option says so."""
    command = ["curl", "-ski", "--max-time", str(timeout), *options, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Answer(0, {}, done.stderr)
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    status, *lines = head.split("\n")
    fields = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return Answer(int(status.split()[1]), dict(fields), body, fields)


def until(what: Callable[[], T], holds: Callable[[T], bool], *, within: float) -> tuple[T, float]:
    """Look again every 50 ms until it holds; what was seen last, and how long it took."""
    started = time.monotonic()
    while True:
        seen = what()
        elapsed = time.monotonic() - started
        if holds(seen):
            return seen, elapsed
        if elapsed > within:
            raise AssertionError(f"not within {within} s; last seen: {seen}")
        time.sleep(0.05)


def shell_quoted(text: str) -> str:
    """The text as one word of a shell line."""
    return "'" + text.replace("'", "'\\''") + "'"
