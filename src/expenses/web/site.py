"""Puts the shared part of the pages into the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import RedirectResponse

from expenses.web import assets
from expenses.web.errors import ErrorPages
from expenses.web.headers import SecurityHeaders

if TYPE_CHECKING:
    from fastapi import FastAPI

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Static files, error pages and security headers. Call it last: middleware added later wraps what was there."""
    app.routes.extend(assets.routes)
    app.routes.extend(router.routes)
    app.add_middleware(ErrorPages)
    app.add_middleware(SecurityHeaders)


@router.get("/favicon.ico")
async def favicon() -> RedirectResponse:
    """What browsers ask for when a page of ours, such as a JSON answer, names no icon."""
    return RedirectResponse(assets.url("icon.svg"), status_code=308)
