"""Whether this server lives, serves, and why not: `/livez`, `/readyz`, `/health`, and the closed gate.

While the schema is one that this code cannot work with, every other path answers 503 and says so. The gate
looks again every second and opens by itself; nothing needs a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from expenses.errors import Unavailable
from expenses.http import problem
from expenses.openapi import operation_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tidegate import Report, SchemaGate

router = APIRouter(tags=["health"], generate_unique_id_function=operation_id)

RETRY_AFTER_S = 1
"""Seconds until asking again makes sense: the gate looks once a second."""

_ALWAYS_OPEN = frozenset({"/health", "/livez", "/readyz", "/metrics"})


class SchemaHealth(BaseModel):
    """Where the database's schema is, as this version of the code sees it."""

    state: str | None
    current: list[str]
    heads: list[str]
    pending: list[str]


class Health(BaseModel):
    """What `/health` says."""

    status: Literal["ok", "unavailable"]
    version: str
    database: Literal["ok", "unreachable"]
    schema_: SchemaHealth

    model_config = {"alias_generator": lambda name: name.rstrip("_"), "populate_by_name": True}


@router.get("/livez", summary="Whether the process lives")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Whether the server serves", responses={503: {"description": "It does not"}})
async def readyz(request: Request, response: Response) -> dict[str, str]:
    report: Report = request.app.state.gate.report
    response.status_code = 200 if report.is_open else 503
    return {"status": "ok" if report.is_open else "unavailable"}


@router.get("/health", summary="The state of server, database and schema", responses={503: {"model": Health}})
async def health(request: Request, response: Response) -> Health:
    report: Report = request.app.state.gate.report
    response.status_code = 200 if report.is_open else 503
    return Health(
        status="ok" if report.is_open else "unavailable",
        version=request.app.version,
        database="ok" if report.database == "ok" else "unreachable",
        schema_=SchemaHealth(
            state=report.state, current=[*report.current], heads=[*report.heads], pending=[*report.pending]
        ),
    )


class GateMiddleware:
    """Lets nothing but the health paths through while the gate is closed."""

    def __init__(self, app: ASGIApp, *, gate: SchemaGate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 503 in its place."""
        report = self._gate.report
        if report.is_open or scope["type"] != "http" or scope["path"] in _ALWAYS_OPEN:
            await self._app(scope, receive, send)
        else:
            await _closed(report)(scope, receive, send)


class DatabaseUnreachable(Unavailable):
    """The database cannot be reached; try again soon."""

    code = "database_unreachable"


class SchemaNotReady(Unavailable):
    """The database schema is not one that this version can work with."""

    code = "schema_not_ready"
    remedy = "Wait: the server looks every second and opens by itself. If it stays, whoever runs it must migrate."


def _closed(report: Report) -> Response:
    headers = {"Cache-Control": "no-store"}
    if report.database != "ok":
        return problem(DatabaseUnreachable(retry_after_s=RETRY_AFTER_S), headers=headers)
    detail = f"The database schema is {report.state}: {report.reason}. This server opens by itself once it is right."
    return problem(
        SchemaNotReady(detail, retry_after_s=RETRY_AFTER_S),
        headers=headers,
        schema={"state": report.state, "current": report.current, "heads": report.heads, "pending": report.pending},
    )
