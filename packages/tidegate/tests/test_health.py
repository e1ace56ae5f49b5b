"""The health port: an orchestrator's probe does not kill a container that waits or migrates."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from projects import BIN, Project, finish, until
from tools.postgres import free_port

TIDEGATE = str(BIN / "tidegate")
SERVE = (
    "import os, socket\n"
    "s = socket.socket()\n"
    "s.bind(('0.0.0.0', int(os.environ['TIDEGATE_HEALTH_PORT'])))  # without SO_REUSEADDR\n"
    "print('bound', flush=True)\n"
)
"""An application that is told nothing of the health port before its own start, and is not careful about the port."""


PATIENCE_S = 10.0
"""How long we wait for an answer, so that a busy machine is not taken for a port where nobody listens."""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def slow(project: Project) -> Project:
    """A project whose one revision waits for a lock until `pace` is free."""
    project.query("CREATE TABLE pace (id int)")
    project.add("a", 'op.execute("LOCK TABLE pace"); op.execute("CREATE TABLE t_a (id int)")')
    return project


def ask(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, Any]] | None:
    """Status and JSON of an answer; nothing while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read() or b"{}")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def phase(port: int) -> str | None:
    answer = ask(port, "/livez")
    return answer[1]["phase"] if answer else None


def test_probes_are_answered_in_every_phase_and_the_application_gets_the_port_at_once(slow: Project, port: int) -> None:
    with slow.connection() as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (0x7469646567617465,))
        command = [TIDEGATE, "run", "--", str(BIN / "python"), "-c", SERVE]
        run = slow.start(command, TIDEGATE_HEALTH_PORT=str(port))
        until(lambda: phase(port) == "waiting for the lock", what="the wait is told")
        cursor.execute("BEGIN; LOCK TABLE pace; SELECT pg_advisory_unlock_all()")
        until(lambda: phase(port) == "migrating" and ask(port, "/livez")[1]["revision"] == "a", what="so is the work")  # type: ignore[index]  # it has just answered
        answers = {path: ask(port, path) for path in ("/livez", "/health?full=1", "/readyz", "/", "/api/x")}
        assert {path: answer and answer[0] for path, answer in answers.items()} == {
            "/livez": 200, "/health?full=1": 200, "/readyz": 503, "/": 503, "/api/x": 503,
        }  # fmt: skip
        assert set(answers["/readyz"][1]) == {"status", "phase", "revision", "elapsed_s"}  # type: ignore[index]  # as above
        assert ask(port, "/livez", "HEAD") == (200, {})
        assert ask(port, "/livez", "POST")[0] == 503  # type: ignore[index]  # as above
        with socket.create_connection(("127.0.0.1", port)) as lingering:  # answered, and not closed by the client
            lingering.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            assert lingering.recv(1) == b"H"
            cursor.execute("COMMIT")
            result = finish(run)
    assert (result.code, result.out) == (0, "bound\n"), result.err


def test_waiting_for_a_database_is_told_and_a_signal_ends_it(slow: Project, port: int) -> None:
    run = slow.start(
        [TIDEGATE, "run", "--health-port", str(port), "--", "true"],
        DATABASE_URL=f"postgresql://x@127.0.0.1:{free_port()}/x",
    )
    until(lambda: phase(port) == "waiting for the database", what="the wait is told")
    os.kill(run.pid, signal.SIGTERM)
    assert finish(run, timeout=5).code == 143


RUDE = (b"", b"G", b"\xff\x00garbage\r\n\r\n", b"GET /livez HTTP/1.1\r\nX: " + b"x" * 20_000)
"""What clients say that never say more: nothing, too little, no HTTP, and too much of it."""


@pytest.mark.alone
def test_slow_and_rude_clients_keep_neither_the_migration_nor_a_probe_waiting(slow: Project, port: int) -> None:
    with slow.connection() as holder, holder.cursor() as cursor, ExitStack() as clients:
        cursor.execute("BEGIN; LOCK TABLE pace")
        run = slow.start([TIDEGATE, "run", "--", "true"], TIDEGATE_HEALTH_PORT=str(port))
        until(lambda: phase(port) == "migrating")
        took = []
        for _ in range(5):
            for said in RUDE * 25:
                be_rude(clients, port, said)
            began = time.monotonic()
            assert phase(port) == "migrating", "it is answered, however busy the machine is"
            took.append(time.monotonic() - began)
        assert min(took) < 0.5, "one after the other, a hundred of them would take 2 s each"
        cursor.execute("COMMIT")
        assert finish(run, timeout=30).code == 0


def be_rude(clients: ExitStack, port: int, said: bytes) -> None:
    """Connect, say that, and stay; every other one shuts its half of the connection down."""
    client = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
    with suppress(OSError):  # it may have been sent away for a newer one by now
        client.setblocking(False)
        client.send(said)
        if client.fileno() % 2:
            client.shutdown(socket.SHUT_WR)


def test_a_busy_port_is_a_warning_and_with_nothing_to_do_it_is_not_even_tried(slow: Project, port: int) -> None:
    with socket.create_server(("0.0.0.0", port)):  # noqa: S104 - the address that is to be busy
        first = slow.tidegate("run", "--", "true", TIDEGATE_HEALTH_PORT=str(port))
        assert first.code == 0
        assert f"warning: the health port {port} cannot be opened (address already in use)" in first.err
        second = slow.tidegate("run", "--", "true", TIDEGATE_HEALTH_PORT=str(port))
        assert (second.code, "warning" in second.err) == (0, False)
    assert slow.tidegate("run", "--", "true", TIDEGATE_HEALTH_PORT="http").code == 64
