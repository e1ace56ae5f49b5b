"""Reading a form's text fields: only forms of our own pages, and up to a limit.

That a browser says so is one check; the token in the form is the other (`csrf.py`, `accounts.forms`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from expenses.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message

LIMIT_BYTES = 256 * 1024
"""Longest form that is read. The longest a person can usefully send is a note of ten thousand characters."""


class ForeignForm(Forbidden):
    """This came from another site, so nothing was done."""

    code = "foreign_form"
    remedy = "Send the form from the page itself."


async def form_fields(request: Request) -> dict[str, str]:
    """The text fields of the submitted form; of a field given twice, the last.

    Raises:
        ForeignForm: The browser says that another site sent it.
        HTTPException: 413, longer than `LIMIT_BYTES`; 400, not a form.
    """
    if not _is_from_our_pages(request):
        raise ForeignForm
    body = await _bounded_body(request)

    async def replay() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, replay).form(max_files=0, max_fields=50) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def version_in(fields: Mapping[str, str]) -> str | None:
    """The version of what the form showed, which must still be the current one.

    None from a form that has none, such as a page that was open during the upgrade: like a request without `If-Match`,
    it changes whatever is there (docs/decisions/0031).
    """
    return fields.get("version") or None


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():  # the declared length is not looked at: a chunked body has none
        body += chunk
        if len(body) > LIMIT_BYTES:
            raise HTTPException(413, "That is more text than a form may carry.")
    return bytes(body)


def _is_from_our_pages(request: Request) -> bool:
    """Browsers send `Sec-Fetch-Site` over HTTPS and to localhost, `Origin` always; other clients may send neither."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    # Host names only: a proxy may have taken the port off `Host`. The token tells two ports apart.
    return origin is None or urlsplit(origin).hostname == request.url.hostname
