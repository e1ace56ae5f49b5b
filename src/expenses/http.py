"""What all routes share: the database session, the clock, and errors as RFC 9457 problem+json.

Not here: who the caller is (`accounts.auth`), what pages look like (`web`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads the annotations of a dependency
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from expenses.db import Session
from expenses.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

PROBLEM = "application/problem+json"
"""Media type of every error answer of the API (RFC 9457)."""


_CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
"""What clients test for, when the framework rather than a service refuses."""


async def _session(request: Request) -> AsyncIterator[Session]:
    async with request.app.state.engine.connect() as connection:
        yield connection


def _now(request: Request) -> datetime:
    clock: Callable[[], datetime] = request.app.state.clock
    return clock()


SessionDep = Annotated[Session, Depends(_session)]
"""One database connection for the request, in autocommit mode; it writes only inside `db.transaction`."""

Now = Annotated[datetime, Depends(_now)]
"""The request's time, aware, in UTC. Tests turn it through `app.state.clock`."""


def utc_now() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: object
) -> JSONResponse:
    """An RFC 9457 answer. `code` is stable and what clients test for; `more` are extension members."""
    body = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code, "detail": detail}
    return JSONResponse(body | more, status_code=status, headers=headers, media_type=PROBLEM)


def install_error_handlers(app: FastAPI) -> None:
    """Turn every error into problem+json; nothing of the request's content is repeated in the answer."""

    @app.exception_handler(ServiceError)
    async def _service_error(_: Request, error: ServiceError) -> JSONResponse:
        headers = {}
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(error.retry_after_s)
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        more = {"errors": [{"field": error.field, "detail": error.detail}]} if error.field else {}
        return problem(error.status, error.code, error.detail, headers=headers, **more)

    @app.exception_handler(RequestValidationError)
    async def _malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"field": ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]), "detail": item["msg"]}
            for item in error.errors()
        ]
        return problem(422, "malformed", "The request is malformed.", errors=errors)

    @app.exception_handler(HTTPException)
    async def _http_error(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "error")
        return problem(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
