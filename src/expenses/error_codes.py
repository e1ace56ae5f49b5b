"""The page that explains every error code, `/api/errors`: what a problem's `type` leads to.

It is collected from the error classes themselves, so it cannot lack one. Import it after the nouns: a class that no
module has imported is not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from expenses.errors import ServiceError
from expenses.http import PROBLEM_TYPES
from expenses.web.page import render

if TYPE_CHECKING:
    from collections.abc import Iterator

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Entry:
    """One code as the page shows it."""

    code: str
    status: int
    meaning: str
    remedy: str


def classes(root: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Every error class that can become an answer, the root first."""
    yield root
    for kind in root.__subclasses__():
        yield from classes(kind)


@cache
def entries() -> list[Entry]:
    """Every code, by status and then by name."""
    found = {
        kind.code: Entry(kind.code, kind.status, (kind.__doc__ or "").partition("\n")[0], kind.remedy)
        for kind in classes()
    }
    return sorted(found.values(), key=lambda each: (each.status, each.code))


@router.get(PROBLEM_TYPES)
async def list_error_codes() -> HTMLResponse:
    """Every code with its status, what it means and what to do."""
    return HTMLResponse(render("web/error_codes.html", entries=entries()))
