"""Versions as HTTP has them: the header `ETag` and the two that name one.

`If-None-Match`: who has the current version already is told so, and nothing more (RFC 9110, 13.1.2). A route only has
to answer with an `ETag`. `If-Match`: what is changed must be as whoever changes it saw it (13.1.1). A route declares
it and hands on what it says; services compare, because only they hold the lock under which nothing else changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Header
from starlette.datastructures import Headers, MutableHeaders

from expenses.errors import Invalid, PreconditionFailed
from expenses.http import JSONAnswer
from expenses.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ETAG: Final[dict[str, Any]] = {
    "headers": {"ETag": {"description": "The version, for `If-Match`", "schema": {"type": "string"}}}
}
"""What an answer with an `ETag` says of itself, for a route's `responses`."""

IfMatch = Annotated[
    str | None, Header(description="The version to change, as `ETag` had it, quotation marks too; any, if missing")
]

_OF_THE_BODY = ("content-length", "content-type")


def tag_of(said: Mapping[str, object]) -> dict[str, str]:
    """The header of an answer that shows a thing as it is, in JSON values."""
    return {"ETag": f'"{version_of(said)}"'}


def shown(said: Mapping[str, object], *, status: int = 200, location: str | None = None) -> JSONAnswer:
    """An answer that shows a thing as it is, in JSON values, with its version; `location`: where a new one is."""
    where = {} if location is None else {"Location": location}
    return JSONAnswer(said, status_code=status, headers=tag_of(said) | where)


def expected_in(if_match: str | None) -> str | None:
    """The version that `If-Match` asks for, `*` for any that there is, nothing when it does not ask.

    Raises:
        PreconditionFailed: It is a weak one, which never matches here (RFC 9110, 13.1.1).
        Invalid: It is none, or several.
    """
    tag = None if if_match is None else if_match.strip()
    if tag is None or tag == "*":
        return tag
    if tag.startswith("W/"):
        raise PreconditionFailed
    if len(tag) < 2 or tag.count('"') != 2 or not tag[0] == tag[-1] == '"':
        raise Invalid('Write one version in quotation marks, such as "3".', field="If-Match")
    return tag[1:-1]


class NotModified:
    """ASGI middleware: a GET whose answer the client has already is answered 304 without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or 304."""
        known = None
        if scope["type"] == "http" and scope["method"] == "GET":
            known = Headers(scope=scope).get("if-none-match")
        if known is None:
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
