"""The middleware, and the tree in which it finds the routes it can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.requests import Request

from expenses.http import answer_to
from expenses.shortcut.plan import Endpoint
from expenses.shortcut.values import Body, LongWay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import APIRouter
    from starlette.types import ASGIApp, Receive, Scope, Send


class Shortcut:
    """ASGI middleware, the innermost: answers requests for these routes itself if they are as described."""

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._paths = _Paths()
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute) and (endpoint := Endpoint.of(route)) is not None:
                    self._paths.add(endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        endpoint = self._paths.find(scope) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        body = Body(receive)
        try:
            response = await endpoint.answer(Request(scope, body.receive, send), body)
        except LongWay:
            await self._app(scope, body.receive, send)
            return
        except Exception as exc:
            if (refusal := answer_to(exc)) is None:
                raise
            response = refusal
        await response(scope, receive, send)


class _Paths:
    """A tree of the segments of paths; a parameter stands for any one segment."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, endpoint: Endpoint) -> None:
        node = self._root
        for part in endpoint.path.strip("/").split("/"):
            node = node.setdefault("{}" if part.startswith("{") else part, {})
        for method in endpoint.methods:
            node[f"{method} "] = endpoint  # a blank: no segment that is looked up here has one

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint for this request, its path's parameters noted in the scope as Starlette does."""
        path: str = scope["path"]
        if " " in path or scope.get("root_path"):
            return None
        node, given = self._root, []
        for part in path[1:].split("/"):
            following = node.get(part)
            if following is None:
                following = node.get("{}")
                if following is None or not part:
                    return None
                given.append(part)
            node = following
        endpoint: Endpoint | None = node.get(f"{scope['method']} ")
        if endpoint is not None:
            scope["route"] = endpoint.route
            scope["endpoint"] = endpoint.route.endpoint
            scope["path_params"] = dict(zip(endpoint.names, given, strict=True))
        return endpoint
