"""Where an invitation is accepted, as people pass it on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from starlette.requests import Request

JOIN = "/join"
"""Path of the page. The token stands in its query: our log and nginx's hold paths only."""


def join_path(token: str) -> str:
    """The page's address on this site."""
    return f"{JOIN}?{urlencode({'token': token})}"


def link_of(request: Request, token: str) -> str:
    """The page's address under the name by which this request found us."""
    return str(request.base_url).rstrip("/") + join_path(token)
