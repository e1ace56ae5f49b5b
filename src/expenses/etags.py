"""`If-None-Match`: who has the current version already is told so, and nothing more (RFC 9110, 13.1.2).

A route only has to answer with an `ETag`. `If-Match`, which changes something, is the routes' own business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_THE_BODY = ("content-length", "content-type")


class NotModified:
    """ASGI middleware: a GET whose answer the client has already is answered 304 without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or 304."""
        known = Headers(scope=scope).get("if-none-match") if scope["type"] == "http" else None
        if known is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        is_known = False

        async def shortened(message: Message) -> None:
            nonlocal is_known
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = MutableHeaders(scope=message)
                is_known = _names(known, headers.get("etag"))
                if is_known:
                    message["status"] = 304
                    for name in _OF_THE_BODY:
                        del headers[name]
            elif is_known and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, shortened)


def _names(known: str, tag: str | None) -> bool:
    if tag is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return "*" in tags or tag.removeprefix("W/") in tags
