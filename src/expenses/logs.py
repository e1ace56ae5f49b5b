"""What the service writes down while it works: one line a request, and what uvicorn says, on standard output.

Nothing personal: no query string, no address, no name, only paths with ids. Every line of a request carries its
`request_id`, which is nginx's if it sent one; the record of changes and the answer's `X-Request-ID` have the same.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from structlog.typing import EventDict, ExcInfo

HEADER = "X-Request-ID"
_HEADER = HEADER.lower().encode()

_SOUND_ID = re.compile(r"[0-9A-Za-z_-]{8,64}")
"""What we take over as a request's id; anything else could forge lines of the log."""

_QUIET = frozenset({"/livez", "/readyz", "/health", "/metrics"})
"""Asked every few seconds by health checks and monitoring: written down only when the server itself fails."""

_MOST_CAUSES = 5
"""An error and four causes of it: SQLAlchemy's has two."""


REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; none outside of one."""


def configure(log_format: str) -> None:
    """Write lines as `json`, or for eyes as `console`; uvicorn's too, whose own format knows no request id."""
    shared: list[Any] = [
        _with_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [structlog.processors.ExceptionRenderer(_without_messages), structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False


def _with_request_id(_logger: object, _method: str, said: EventDict) -> EventDict:
    # Not structlog's own `contextvars`: it would cost each request twice what its line does.
    if (request_id := REQUEST_ID.get()) is not None:
        said.setdefault("request_id", request_id)
    return said


def _without_messages(exc_info: ExcInfo) -> str:
    """Where an error came from, and of which kinds it and its causes are.

    Their messages are left out: PostgreSQL's name the values that clash, Python's the text that is no number. The
    SQLSTATE says as much about the kind, and nothing about anybody.
    """
    found: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(found) < _MOST_CAUSES:
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        sqlstate = getattr(error, "sqlstate", None)
        frames = "".join(traceback.format_tb(error.__traceback__))
        found.append(f"{frames}{kind}" + (f" (SQLSTATE {sqlstate})" if sqlstate else ""))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich came from:\n".join(found)


class RequestLog:
    """ASGI middleware: gives every request an id, and writes down how it ended."""

    def __init__(self, app: ASGIApp, *, as_json: bool) -> None:
        self._app = app
        self._as_json = as_json
        self._log = structlog.get_logger("expenses").bind()  # bound now, not anew for each line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the id in a header."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [each for each in message["headers"] if each[0] != _HEADER]
                message["headers"] = [*others, (_HEADER, request_id.encode())]
            await send(message)

        began = time.perf_counter()
        before = REQUEST_ID.set(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._write_down(scope, request_id, status, time.perf_counter() - began)
            REQUEST_ID.reset(before)

    def _write_down(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        if status < 500 and (scope["path"] in _QUIET or scope["path"].startswith("/static/")):
            return
        said = {"method": scope["method"], "path": scope["path"], "status": status, "ms": round(seconds * 1000, 1)}
        level = "error" if status == 500 else "info"
        if self._as_json:  # what structlog would write, for a quarter of what it takes to write one line
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            said |= {"event": "request", "request_id": request_id, "level": level, "timestamp": now}
            sys.stdout.write(f"{json.dumps(said)}\n")
            sys.stdout.flush()
        else:
            self._log.log(logging.ERROR if status == 500 else logging.INFO, "request", **said)


def _request_id(scope: Scope) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER), "")
    return given if _SOUND_ID.fullmatch(given) else secrets.token_hex(16)
