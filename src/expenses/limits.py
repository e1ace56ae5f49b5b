"""How much one request and one person may ask of this process: bodies are bounded, and so is the pace.

The pace is one leaky bucket a person (a generic cell rate algorithm, ITU-T I.371, annex A), whatever tokens and
sessions they use. Requests whose credentials have not been seen to be good count for their address. So made-up tokens
share one bucket, and nobody gains by them. It is kept in the memory of this process: with n replicas the limit is n
times as wide. Counting exactly would cost every request a round trip; what must be exact, the number of wrong
passwords, is counted in the database (`accounts.throttle`).
"""

from __future__ import annotations

import math
import re
import secrets
import time
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING

from fastapi.exceptions import HTTPException
from starlette.datastructures import Headers, MutableHeaders

from expenses.errors import TooLarge, TooManyRequests
from expenses.http import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PERSON = "person_id"
"""Where `accounts.auth` notes in `request.state` whose request this is."""

WINDOW_S = 60
"""Limits are so many requests in this many seconds; all of them may come at once."""

MOST_REMEMBERED = 20_000
"""People, addresses and credentials that are remembered; the longest unused are forgotten first. About 5 MB."""

_SESSION = re.compile(r"(?:__Host-)?expenses_session=[^;]+")
"""Only this cookie: others, such as that of a notice, change with every answer."""

_UNLIMITED = ("/static/", "/health", "/livez", "/readyz", "/metrics")


class RateLimited(TooManyRequests):
    """Too many requests in a short time."""

    code = "rate_limited"
    remedy = "Wait as many seconds as `Retry-After` says. The headers `RateLimit` and `RateLimit-Policy` say how many."


class BodyLimit:
    """ASGI middleware: a body that is too large is answered 413, be its length declared or not."""

    def __init__(self, app: ASGIApp, *, largest: int) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, unless the body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = f"The request is larger than {self._largest} bytes."
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and int(declared[:20]) > self._largest:
            await problem(TooLarge(said))(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._largest:
                raise HTTPException(413, said)  # what FastAPI lets through while it reads a body
            return message

        await self._app(scope, counted, send)


class Pace:
    """Leaky buckets of one size, by name."""

    def __init__(self, *, requests: int, clock: Callable[[], float]) -> None:
        self.requests = requests
        self._per_request_s = WINDOW_S / requests
        self._clock = clock
        self._drained_at: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str) -> tuple[int, float]:
        """How many requests are left and in how many seconds all will be; -1 left: this one is one too many."""
        now = self._clock()
        drained_at = max(self._drained_at.pop(name, now), now) + self._per_request_s
        is_refused = drained_at - now > WINDOW_S + 1e-9
        if is_refused:
            drained_at -= self._per_request_s
        self._drained_at[name] = drained_at
        if len(self._drained_at) > MOST_REMEMBERED:
            self._drained_at.popitem(last=False)
        left = -1 if is_refused else int((WINDOW_S - (drained_at - now)) / self._per_request_s + 1e-6)
        return left, drained_at - now

    def wait_s(self, drains_in_s: float) -> int:
        """Whole seconds until one more request fits."""
        return max(1, math.ceil(drains_in_s + self._per_request_s - WINDOW_S))


class RateLimit:
    """ASGI middleware: more requests than the limit are answered 429, and every answer says how many are left."""

    def __init__(
        self, app: ASGIApp, *, per_person: int, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._people = Pace(requests=per_person, clock=clock)
        self._addresses = Pace(requests=per_address, clock=clock)
        self._person_of: OrderedDict[bytes, str] = OrderedDict()
        self._salt = secrets.token_bytes(16)  # so that what is remembered of a token is of no use to anybody else

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or 429."""
        if scope["type"] != "http" or scope["path"].startswith(_UNLIMITED):
            await self._app(scope, receive, send)
            return
        credential = self._credential(scope)
        person = self._person_of.get(credential) if credential else None
        kind, pace = ("person", self._people) if person else ("address", self._addresses)
        left, drains_in_s = pace.take(person or _address(scope))
        headers = {
            "RateLimit-Policy": f'"{kind}";q={pace.requests};w={WINDOW_S}',
            "RateLimit": f'"{kind}";r={max(left, 0)};t={math.ceil(drains_in_s)}',
        }
        if left < 0:
            refusal = RateLimited(retry_after_s=pace.wait_s(drains_in_s))
            await problem(refusal, headers=headers)(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
                if credential and not person and PERSON in state:
                    self._remember(credential, str(state[PERSON]))
            await send(message)

        await self._app(scope, receive, told)

    def _credential(self, scope: Scope) -> bytes | None:
        headers = Headers(scope=scope)
        given = headers.get("authorization") or "".join(_SESSION.findall(headers.get("cookie", ""))[:1])
        return blake2b(given.encode("latin-1"), digest_size=16, key=self._salt).digest() if given else None

    def _remember(self, credential: bytes, person: str) -> None:
        self._person_of[credential] = person
        if len(self._person_of) > MOST_REMEMBERED:
            self._person_of.popitem(last=False)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
