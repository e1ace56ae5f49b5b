"""What every answer tells the browser to allow: nothing but our own files.

Styles and scripts come from `/static` only, so pages carry no inline ones; bars get their width from SVG attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms (Fetch, "append a request Origin").
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers of every answer, unless the route has set its own."""

ON_PAGES = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
"""Headers of every HTML answer. Pages are not stored: after signing out, going back shows none of them."""

ON_API = {"Cache-Control": "no-store"}
"""Headers of every answer of the API: what it tells is private. Who keeps an answer can ask with `If-None-Match`."""


def _raw(*parts: dict[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for part in parts for name, value in part.items())


_ON_PAGES, _ON_API, _ON_OTHERS = _raw(EVERYWHERE, ON_PAGES), _raw(EVERYWHERE, ON_API), _raw(EVERYWHERE)


class SecurityHeaders:
    """ASGI middleware that adds the headers above."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers added."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(scope, send))


def _with_headers(scope: Scope, send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = dict(message["headers"])
            if given.get(b"content-type", b"").startswith(b"text/html"):
                added = _ON_PAGES
            else:
                added = _ON_API if scope["path"].startswith("/api/") else _ON_OTHERS
            message["headers"] = [*message["headers"], *(each for each in added if each[0] not in given)]
        await send(message)

    return send_with_headers
