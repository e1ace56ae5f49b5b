"""The health port: what `tidegate run` answers an orchestrator's probes with while it waits or migrates.

A thread with one selector, since `http.server` costs 40 ms to import and answers one slow client at a time.
It is opened when there is something to wait for or to do, and closed before the command takes over, in a
way that leaves the port free at once: the side that closes a connection first keeps its port busy for a
minute (TIME-WAIT), so the client is given the time to do it, and at the end what is open is reset.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import threading
import time
from contextlib import suppress

from tidegate.run.signals import NOTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_CLIENTS = 32
"""At once. The oldest goes for a newer one, so that slow clients cannot keep a probe out."""

REQUEST_TIMEOUT_S = 2.0
"""How long a client may take to say what it wants."""

LINGER_S = 0.2
"""How long a client that was answered may take to close its end, before we close ours; and again, before it is reset.
`Content-Length` lets it know that it has everything; one that reads to the end of the stream waits this long."""

LONGEST_REQUEST = 8192
"""Bytes; a probe needs 200."""

PAUSE_S = 0.005
"""After each round, so that a flood of requests cannot take the processor from the migration."""

LIVE = ("/livez", "/health")
"""Paths that answer 200: this process lives and works. Everything else is 503, `/readyz` too."""


class HealthPort:
    """A listening port and what it says."""

    def __init__(self, port: int, tell: Callable[[str], None]) -> None:
        self._began = time.monotonic()
        self._phase = "starting"
        self._revision: Callable[[], str | None] = lambda: None
        self._clients: dict[socket.socket, _Client] = {}
        self._thread: threading.Thread | None = None
        try:
            self._listener = _listen(port)
        except OSError as exc:
            reason = os.strerror(exc.errno or 0).lower()
            tell(f"warning: the health port {port} cannot be opened ({reason}); going on without it")
            return
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="tidegate-health", daemon=True)
        self._thread.start()

    def enter(self, phase: str, revision: Callable[[], str | None] = lambda: None) -> None:
        """Say from now on that this is being done, and to which revision."""
        self._phase, self._revision = phase, revision

    def close(self) -> None:
        """Free the port. Nothing is answered behind it."""
        if self._thread is not None:
            self._wake.close()
            self._thread.join()

    def _serve(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, NOTED)  # they are for the thread that acts on them
        with selectors.DefaultSelector() as selector, self._listener, self._woken:
            selector.register(self._woken, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(LINGER_S / 2)]
                if self._woken in ready:
                    break
                for one in ready:
                    with suppress(OSError):
                        self._accept(selector) if one is self._listener else self._hear(selector, one)  # type: ignore[arg-type]  # only sockets are registered
                self._drop(selector, [one for one, state in self._clients.items() if state.is_over(one)])
                time.sleep(PAUSE_S)
            self._drop(selector, list(self._clients))

    def _accept(self, selector: selectors.BaseSelector) -> None:
        for _ in range(
            MOST_CLIENTS
        ):  # all that wait, or a queue of rude ones would hold a probe up; then they are heard
            client, _address = self._listener.accept()
            client.setblocking(False)
            client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # closing it first resets it
            if len(self._clients) >= MOST_CLIENTS:
                self._drop(selector, [next(iter(self._clients))])
            self._clients[client] = _Client()
            selector.register(client, selectors.EVENT_READ)

    def _hear(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        state = self._clients.get(client)
        if state is None:
            return  # made room for another one in this round
        try:
            chunk = client.recv(4096)
            reply = state.reply_to(chunk, self._answer) if chunk else None
            if reply:
                client.sendall(reply)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(selector, [client])

    def _drop(self, selector: selectors.BaseSelector, clients: list[socket.socket]) -> None:
        for client in clients:
            del self._clients[client]
            selector.unregister(client)
            with suppress(OSError):
                client.close()

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\n", 1)[0].decode("ascii", "replace").split()
        if len(words) != 3 or not words[2].startswith("HTTP/"):
            return _response("400 Bad Request", {"status": "bad request"}, with_body=True)
        is_live = words[0] in {"GET", "HEAD"} and words[1].partition("?")[0] in LIVE
        facts = {
            "status": "migrating",
            "phase": self._phase,
            "revision": self._revision(),
            "elapsed_s": round(time.monotonic() - self._began, 1),
        }
        return _response("200 OK" if is_live else "503 Service Unavailable", facts, with_body=words[0] != "HEAD")


class _Client:
    """What one client has said so far."""

    def __init__(self) -> None:
        self._said = b""
        self._is_answered = False
        self._is_closing = False
        self._deadline = time.monotonic() + REQUEST_TIMEOUT_S

    def is_over(self, connection: socket.socket) -> bool:
        """Whether its time is up; who was answered is told so first."""
        if time.monotonic() < self._deadline:
            return False
        if not self._is_answered or self._is_closing:
            return True
        self._is_closing, self._deadline = True, time.monotonic() + LINGER_S
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return False

    def reply_to(self, chunk: bytes, answer: Callable[[bytes], bytes]) -> bytes | None:
        if self._is_answered:
            return None  # a second request on the same connection: we said `Connection: close`
        self._said += chunk
        is_whole = b"\r\n\r\n" in self._said or b"\n\n" in self._said
        if not is_whole and len(self._said) < LONGEST_REQUEST:
            return None
        self._is_answered, self._deadline = True, time.monotonic() + LINGER_S
        return answer(self._said if is_whole else b"")


def _response(status: str, facts: Mapping[str, object], *, with_body: bool) -> bytes:
    import json

    body = json.dumps(facts).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")


def _listen(port: int) -> socket.socket:
    """On every address of this machine, of both kinds where the kernel has both."""
    if socket.has_dualstack_ipv6():
        with suppress(OSError):
            return _bound(("::", port), is_dual=True)
    return _bound(("0.0.0.0", port), is_dual=False)  # noqa: S104 - a probe comes from outside of the container


def _bound(address: tuple[str, int], *, is_dual: bool) -> socket.socket:
    family = socket.AF_INET6 if is_dual else socket.AF_INET
    listener = socket.create_server(address, family=family, backlog=4 * MOST_CLIENTS, dualstack_ipv6=is_dual)
    listener.setblocking(False)
    return listener
