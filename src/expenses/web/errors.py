"""Errors as pages for people.

Routes and the schema gate answer problem+json; when a browser asked for a page, this turns the answer into one,
whatever part of the service it came from. Not signed in becomes a redirect to the sign-in page. Error pages carry
their style inside (allowed by its hash), since the gate also closes `/static`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response

from expenses.http import PROBLEM
from expenses.web.assets import assets
from expenses.web.headers import CONTENT_SECURITY_POLICY
from expenses.web.page import render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOR_MACHINES = ("/api/", "/health", "/livez", "/readyz", "/metrics", "/static/")

_HEADINGS = {
    400: "That request made no sense",
    403: "That is not allowed",
    404: "Nothing here",
    405: "That does not work here",
    409: "That clashes with something",
    412: "Someone was faster",
    413: "That is too much",
    422: "That does not add up",
    429: "One moment",
    503: "Back in a moment",
}


_UNKIND = {
    "": "It has been noted. Nothing was saved; try again, and if it stays, tell whoever runs this server.",
    HTTPStatus.NOT_FOUND.phrase: "There is no page with this address.",
    HTTPStatus.METHOD_NOT_ALLOWED.phrase: "This address takes something else.",
}
"""What the framework says by itself, and what a person can do with."""


class ErrorPages:
    """ASGI middleware: problem+json becomes HTML when the request prefers HTML; a crash becomes a page as well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, errors translated."""
        if scope["type"] != "http" or not _is_for_people(scope):
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self.app(scope, receive, answer.send)
        except Exception:
            if not answer.started or answer.problem is not None:
                await _error_page(500, {})(scope, receive, send)
            raise
        if answer.problem is not None:
            await _translated(scope, answer.problem, answer.body)(scope, receive, send)


class _Answer:
    """Passes an answer on, except a problem+json, which it keeps."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.problem: Message | None = None
        self.body = b""

    async def send(self, message: Message) -> None:
        """What the application calls instead of the server's own `send`."""
        if message["type"] == "http.response.start":
            self.started = True
            if Headers(raw=message["headers"]).get("content-type") == PROBLEM:
                self.problem = message
        if self.problem is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def _is_for_people(scope: Scope) -> bool:
    if str(scope["path"]).startswith(_FOR_MACHINES):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _translated(scope: Scope, start: Message, body: bytes) -> Response:
    problem = json.loads(body)
    if start["status"] == 401:
        return _to_sign_in(scope)
    looks_again = start["status"] == 503 and scope["method"] == "GET"
    response = _error_page(start["status"], problem, looks_again=looks_again)
    for name, value in Headers(raw=start["headers"]).items():
        if name in {"retry-after", "allow", "set-cookie"}:
            response.headers.append(name, value)
    if looks_again:
        response.headers["Refresh"] = "5"
    return response


def _to_sign_in(scope: Scope) -> Response:
    back = ""
    if scope["method"] == "GET":
        query = scope["query_string"].decode("latin-1")
        back = "?next=" + quote(str(scope["path"]) + (f"?{query}" if query else ""), safe="/")
    location = f"/sign-in{back}"
    if "hx-request" in Headers(scope=scope):
        return Response(status_code=204, headers={"HX-Redirect": location})
    return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})


def _error_page(status: int, problem: dict[str, Any], *, looks_again: bool = False) -> HTMLResponse:
    heading = _HEADINGS.get(status, "Something went wrong on our side")
    detail = str(problem.get("detail") or "")
    style, style_hash = _style()
    html = render(
        "web/error.html",
        status=status,
        heading=heading,
        detail=_UNKIND.get(detail, detail),
        style=style,
        looks_again=looks_again,
    )
    response = HTMLResponse(html, status_code=status)
    policy = CONTENT_SECURITY_POLICY.replace("style-src 'self'", f"style-src 'sha256-{style_hash}'")
    MutableHeaders(raw=response.raw_headers)["Content-Security-Policy"] = policy
    return response


@cache
def _style() -> tuple[str, str]:
    style = assets()["error.css"].content.decode()
    return style, base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
