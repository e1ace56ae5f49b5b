"""`make run` with real processes, in a copy of the tree: what it prints, what it keeps, and what it leaves behind."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.repository.tree import Tree, copy_tree
from tools.postgres import free_port
from tools.processes import is_running
from tools.run import CannotRun, choose_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.fresh, pytest.mark.xdist_group("make-run")]

READY = re.compile(r"expenses is ready at (http://\S+)")


class Run:
    """One `make run`, in a process group of its own as a shell would start it."""

    def __init__(
        self, tree: Tree, *, terminal: int | None = None, prefix: tuple[str, ...] = (), **variables: str
    ) -> None:
        self.tree = tree
        self.log = tree.folder.parent / f"run-{time.monotonic_ns()}.log"
        port = variables.pop("PORT", None) or str(free_port())
        command = [*prefix, "make", "run", f"PORT={port}", *[f"{name}={value}" for name, value in variables.items()]]
        with self.log.open("wb") as log:
            self.make = subprocess.Popen(
                command,
                cwd=tree.folder,
                env=tree.environment,
                stdin=subprocess.DEVNULL,  # or the terminal
                stdout=log,
                stderr=log,
                start_new_session=terminal is None,
                preexec_fn=None if terminal is None else lambda: _take_terminal(terminal),  # noqa: PLW1509 - no threads here
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def server_pids(self) -> list[int]:
        """The application's process and PostgreSQL's."""
        server = json.loads((self.tree.folder / ".data" / "run.json").read_text())["server_pid"]
        return [server, int((self.tree.database_folder / "postmaster.pid").read_text().split()[0])]

    @property
    def pid(self) -> int:
        """The runner's process, a child of make."""
        return int(json.loads((self.tree.folder / ".data" / "run.json").read_text())["pid"])

    def wait_until_ready(self, within_s: float = 60) -> str:
        """The address, once it is printed."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if found := READY.search(self.output):
                return found[1]
            assert self.make.poll() is None, self.output
            time.sleep(0.05)
        pytest.fail(f"not ready within {within_s} s:\n{self.output}")

    def end(self) -> None:
        """Stop it as a supervisor would, whatever state it is in."""
        if self.make.poll() is None:
            os.killpg(self.make.pid, signal.SIGTERM)
            self.make.wait(timeout=30)


def _take_terminal(terminal: int) -> None:
    os.login_tty(os.dup(terminal))


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    """A copy of this tree with its environment set up, at a path with a space in it."""
    folder = Path(tempfile.mkdtemp(prefix="make run "))
    folder.chmod(0o755)
    try:
        yield copy_tree(folder / "expenses")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def run(tree: Tree) -> Iterator[Callable[..., Run]]:
    """Starts runs, and ends those that the test did not."""
    started: list[Run] = []

    def start(where: Tree = tree, **how: object) -> Run:
        started.append(Run(where, **how))  # type: ignore[arg-type]  # the keywords of Run
        return started[-1]

    yield start
    for one in started:
        one.end()


def can_sign_in(url: str, email: str, password: str) -> bool:
    answer = httpx.post(f"{url}/api/v1/auth/token", data={"username": email, "password": password})
    return answer.status_code == 200


def wait_until(happened: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_gone(pids: list[int]) -> None:
    assert [pid for pid in pids if is_running(pid)] == []


def test_the_printed_address_answers_and_the_data_stays_until_the_next_run(run: Callable[..., Run]) -> None:
    first = run()
    url = first.wait_until_ready()
    person = {"email": "kim@example.com", "password": "a long enough password"}
    assert httpx.post(f"{url}/api/v1/auth/register", json=person).status_code == 201
    first.end()
    started = time.monotonic()
    url = run().wait_until_ready()
    assert time.monotonic() - started < 8, "a second start sets nothing up and migrates nothing"
    assert can_sign_in(url, person["email"], person["password"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_its_like_stop_all_of_it(run: Callable[..., Run], number: signal.Signals) -> None:
    one = run()
    one.wait_until_ready()
    pids = one.server_pids
    os.killpg(one.make.pid, number)  # a terminal signals the whole group in its foreground
    one.make.wait(timeout=20)
    assert one.output.endswith("stopped\n") or "stopped\nmake: " in one.output
    assert_gone(pids)


@pytest.mark.parametrize("first_process", [(), ("sh", "-c", '"$@"; true', "sh")], ids=["make", "a-shell"])
def test_a_closed_terminal_stops_all_of_it(run: Callable[..., Run], first_process: tuple[str, ...]) -> None:
    ours, theirs = pty.openpty()
    one = run(terminal=theirs, prefix=first_process)
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    while b"is ready at" not in seen and time.monotonic() < deadline:
        seen += os.read(ours, 4096)
    pids = one.server_pids
    os.close(ours)
    one.make.wait(timeout=20)
    wait_until(lambda: not is_running(one.pid))
    assert_gone(pids)


def test_a_killed_runner_does_not_keep_the_next_one_from_starting(run: Callable[..., Run]) -> None:
    killed = run()
    killed.wait_until_ready()
    left = killed.server_pids
    os.kill(killed.pid, signal.SIGKILL)
    killed.make.wait(timeout=10)
    next_one = run()
    next_one.wait_until_ready()
    assert_gone(left)
    assert set(next_one.server_pids).isdisjoint(left)


def test_the_demo_has_a_year_of_expenses_and_prints_its_sign_in(run: Callable[..., Run]) -> None:
    one = run(DEMO="1")
    url = one.wait_until_ready()
    found = re.search(r"sign in as (\S+) with the password (\S+)", one.output)
    assert found is not None, one.output
    assert can_sign_in(url, found[1], found[2])


def test_a_second_runner_says_where_the_first_one_answers_and_takes_nothing_from_it(run: Callable[..., Run]) -> None:
    url = run().wait_until_ready()
    second = run()
    assert second.make.wait(timeout=20) != 0
    assert f"error: `make run` is already at work at {url}" in second.output
    port = url.rpartition(":")[2]
    with pytest.raises(CannotRun, match=f"port {port} is taken"):
        choose_port(port)
    assert choose_port("", first=int(port)) > int(port), "without a wish the next free one serves"


@pytest.mark.parametrize("wanted", ["0", "65536", "http", "-1", "80 80"])
def test_what_is_no_port_is_refused(wanted: str) -> None:
    with pytest.raises(CannotRun, match="is no port"):
        choose_port(wanted)


@pytest.mark.fresh
@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become somebody else; elsewhere all tests run as an ordinary user"
)
def test_an_ordinary_user_can_run_it(run: Callable[..., Run], tree: Tree) -> None:
    user = tree.for_ordinary_user()
    one = run(user, prefix=("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"))
    one.wait_until_ready()
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in one.server_pids}
    assert 0 not in owners


@pytest.mark.fresh
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs PostgreSQL itself, which then reaches all it has")
def test_root_keeps_the_data_elsewhere_when_the_database_cannot_reach_the_project(
    run: Callable[..., Run], tree: Tree
) -> None:
    closed = tree.behind_a_closed_door()
    one = run(closed)
    one.wait_until_ready()
    assert f"keeps its data in `{closed.database_folder}`" in one.output
    one.end()
    shutil.rmtree(closed.database_folder.parent)
