"""What all routes share: the database session, the clock, and errors as RFC 9457 problem+json.

Not here: who the caller is (`accounts.auth`), what pages look like (`web`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads the annotations of a dependency
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic_core import to_json
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from expenses.db import Session, connect, release
from expenses.errors import (
    Crashed,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    TooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from expenses.db import ServiceEngine

PROBLEM = "application/problem+json"
"""Media type of every error answer of the API (RFC 9457)."""


PROBLEM_TYPES = "/api/errors"
"""The page that explains every code; a problem's `type` leads to its entry there."""

_QUERY_CANCELED = "57014"
"""PostgreSQL's SQLSTATE of a statement that took longer than `statement_timeout`."""

_OF_FRAMEWORK: dict[int, type[ServiceError]] = {
    400: Malformed,
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
}
"""What it means when the framework rather than a service refuses."""


async def _session(request: Request) -> AsyncIterator[Session]:
    engine: ServiceEngine = request.app.state.engine
    session = await connect(engine)
    try:
        yield session
    finally:
        await release(session, engine=engine)


async def _now(request: Request) -> datetime:  # a plain function would be given a thread by FastAPI
    clock: Callable[[], datetime] = request.app.state.clock
    return clock()


SessionDep = Annotated[Session, Depends(_session)]
"""One database connection for the request, in autocommit mode; it writes only inside `db.transaction`."""

Now = Annotated[datetime, Depends(_now)]
"""The request's time, aware, in UTC. Tests turn it through `app.state.clock`."""


def utc_now() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


class JSONText(Response):
    """An answer that is JSON already."""

    media_type = "application/json"


class JSONAnswer(Response):
    """An answer in JSON, as FastAPI's `JSONResponse` writes it in five times the time.

    Only plain values: it would write a `Decimal` or a day without an objection, in Pydantic's form and not in ours.
    """

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The body."""
        return to_json(content)


def problem_body(error: ServiceError) -> dict[str, object]:
    """An error as the members that RFC 9457 names, and the stable `code` that clients test for."""
    body: dict[str, object] = {
        "type": f"{PROBLEM_TYPES}#{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    return body | (
        {"errors": [{"field": field, "detail": detail} for field, detail in error.faults]} if error.faults else {}
    )


def problem(error: ServiceError, *, headers: dict[str, str] | None = None, **more: object) -> JSONAnswer:
    """An error as an answer; `more` are extension members."""
    said = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == 401:
        said["WWW-Authenticate"] = "Bearer"
    body = problem_body(error) | more
    return JSONAnswer(body, status_code=error.status, headers=said | (headers or {}), media_type=PROBLEM)


def answer_to(error: Exception) -> JSONAnswer | None:
    """An error as an answer, which repeats nothing of the request's content; none for what nobody expected."""
    if isinstance(error, ServiceError):
        return problem(error)
    if isinstance(error, RequestValidationError):
        return problem(Malformed(), errors=[_fault(item) for item in error.errors()])
    if isinstance(error, HTTPException):
        kind = _OF_FRAMEWORK.get(error.status_code, ServiceError)
        return problem(kind(str(error.detail)), headers=dict(error.headers or {}))
    if isinstance(error, PoolTimeout):
        return problem(Overloaded(retry_after_s=1))
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED:
        return problem(TimedOut(retry_after_s=10))
    return None


def install_error_handlers(app: FastAPI) -> None:
    """Turn every error into problem+json."""

    async def _answer(_: Request, error: Exception) -> JSONAnswer:
        if (answer := answer_to(error)) is None:
            raise error
        return answer

    for kind in (ServiceError, RequestValidationError, HTTPException, PoolTimeout, DBAPIError):
        app.add_exception_handler(kind, _answer)


def _fault(item: Mapping[str, Any]) -> dict[str, str]:
    field = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
    return {"field": field, "detail": item["msg"]}


class Crashes:
    """ASGI middleware: an error that nobody expected is a problem too. It goes on to the server, which logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or 500 if it raised before it had begun to answer."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if scope["type"] == "http" and not has_begun:
                await problem(Crashed())(scope, receive, send)
            raise
