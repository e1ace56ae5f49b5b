"""The short way for requests that are as the API describes them; everything else goes FastAPI's.

FastAPI looks at every route in turn, and for each request works out anew what an endpoint wants. That is half of a
request's processor time here. So routes whose endpoints want only what can be told beforehand are looked up in a tree
of their paths, and what their endpoints want is a list of steps, made once from FastAPI's own analysis of them
(`Dependant`). Values are checked by FastAPI's own functions, and whatever they object to goes the long way, with the
body read again from memory: so errors, the description of the API and the rules for values have one source.

Not for endpoints that answer anything but a finished `Response`, or want forms, cookies, files or background tasks.
Measured in `benchmarks/api.py`; why it is ours: docs/decisions/0028.
"""

from __future__ import annotations

import inspect
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi._compat import field_annotation_is_scalar
from fastapi.dependencies.utils import request_params_to_args
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from expenses.http import answer_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from fastapi import APIRouter
    from fastapi._compat import ModelField
    from fastapi.dependencies.models import Dependant
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})


class _LongWay(Exception):
    """This request is for FastAPI to look at."""


class Shortcut:
    """ASGI middleware, the innermost: answers requests for these routes itself if they are as described."""

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._paths = _Paths()
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute) and (endpoint := _Endpoint.of(route)) is not None:
                    self._paths.add(endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        endpoint = self._paths.find(scope) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        try:
            response = await endpoint.answer(Request(scope, body.receive, send), body)
        except _LongWay:
            await self._app(scope, body.again, send)
            return
        except Exception as exc:
            if (refusal := answer_to(exc)) is None:
                raise
            response = refusal
        await response(scope, receive, send)


class _Body:
    """The body of a request, kept so that it can be read once more."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self._read: bytes | None = None

    async def read(self, request: Request) -> bytes:
        self._read = await request.body()
        return self._read

    async def again(self) -> Message:
        if self._read is None:
            return await self.receive()
        read, self._read = self._read, None
        return {"type": "http.request", "body": read, "more_body": False}


class _Paths:
    """A tree of the segments of paths; a parameter stands for any one segment."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, endpoint: _Endpoint) -> None:
        node = self._root
        for part in endpoint.path.strip("/").split("/"):
            node = node.setdefault("{}" if part.startswith("{") else part, {})
        for method in endpoint.methods:
            node[f"{method} "] = endpoint  # a blank: no segment that is looked up here has one

    def find(self, scope: Scope) -> _Endpoint | None:
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
        endpoint: _Endpoint | None = node.get(f"{scope['method']} ")
        if endpoint is not None:
            scope["route"] = endpoint.route
            scope["endpoint"] = endpoint.route.endpoint
            scope["path_params"] = dict(zip(endpoint.names, given, strict=True))
        return endpoint


@dataclass(frozen=True, slots=True)
class _Step:
    """One call of a dependency or, the last, of the endpoint: where each of its arguments comes from."""

    call: Callable[..., Any]
    is_generator: bool
    request_names: Sequence[str]
    results: Sequence[tuple[str, int]]
    """Names of arguments that are results of earlier steps, and of which."""
    fields: _Fields

    async def run(self, request: Request, earlier: list[Any], body: dict[str, Any], stack: AsyncExitStack) -> object:
        values = self.fields.values_in(request)
        values |= body
        for name, index in self.results:
            values[name] = earlier[index]
        for name in self.request_names:
            values[name] = request
        if self.is_generator:
            return await stack.enter_async_context(self.call(**values))
        return await self.call(**values)


class _Fields:
    """The values that one call takes from path, query and headers."""

    def __init__(self, dependant: Dependant) -> None:
        self._ids = tuple(field.name for field in dependant.path_params)
        self._query = {_alias(field): field for field in dependant.query_params}
        self._headers = {_alias(field): field for field in dependant.header_params}
        self._said = (*dependant.query_params, *dependant.header_params)
        self._single = {each.name for each in self._said if field_annotation_is_scalar(each.field_info.annotation)}
        self._required = [field.name for field in self._said if field.field_info.is_required()]
        # What stands in for what is not said is worked out by FastAPI as well.
        self._missing, _ = request_params_to_args([each for each in self._said if each.name not in self._required], {})

    def values_in(self, request: Request) -> dict[str, Any]:
        values = dict(self._missing)
        if self._ids:
            given = request.scope["path_params"]
            for name in self._ids:
                values[name] = _id(given[name])
        if self._query and request.scope["query_string"]:
            self._add(values, self._query, request.query_params)
        if self._headers:
            self._add(values, self._headers, request.headers)
        if self._required and not values.keys() >= set(self._required):
            raise _LongWay
        return values

    def _add(self, values: dict[str, Any], fields: Mapping[str, ModelField], given: Mapping[str, Any]) -> None:
        for alias, field in fields.items():
            if alias in given:
                if field.name in self._single:
                    values[field.name] = _checked(field, given[alias])
                    continue
                checked, errors = request_params_to_args([field], given)
                if errors:
                    raise _LongWay
                values |= checked


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A route that can be answered the short way."""

    route: APIRoute
    path: str
    methods: frozenset[str]
    names: tuple[str, ...]
    """Of the path's parameters, in their order."""
    steps: Sequence[_Step]
    body_fields: Sequence[ModelField]

    @classmethod
    def of(cls, route: APIRoute) -> _Endpoint | None:
        """The endpoint of a route; none if it wants what only the long way gives."""
        returned = inspect.signature(route.endpoint, eval_str=True).return_annotation
        is_finished = isinstance(returned, type) and issubclass(returned, Response)
        names = tuple(part[1:-1] for part in route.path.split("/") if part.startswith("{"))
        if not is_finished or set(names) != set(route.param_convertors) or _wants_form(route):
            return None
        steps: list[_Step] = []
        try:
            _plan(route.dependant, steps, {})
        except _LongWay:
            return None
        return cls(route, route.path, frozenset(route.methods or ()), names, steps, route.dependant.body_params)

    async def answer(self, request: Request, body: _Body) -> Response:
        """What the endpoint answers; what it used has been given back by then.

        Raises:
            _LongWay: Something about the request is not as described.
        """
        given = await self._body(request, body) if self.body_fields else {}
        earlier: list[Any] = []
        last = len(self.steps) - 1
        async with AsyncExitStack() as stack:
            for index, step in enumerate(self.steps):
                earlier.append(await step.run(request, earlier, given if index == last else {}, stack))
        response: Response = earlier[-1]
        return response

    async def _body(self, request: Request, body: _Body) -> dict[str, Any]:
        kind = next((value for name, value in request.scope["headers"] if name == b"content-type"), b"")
        if kind.lower() not in _JSON:
            raise _LongWay
        try:
            read = json.loads(await body.read(request))
        except (ValueError, RecursionError) as exc:
            raise _LongWay from exc
        field = self.body_fields[0]  # and no other: `_wants_form`
        return {field.name: _checked(field, read)}


def _plan(dependant: Dependant, steps: list[_Step], known: dict[object, int]) -> int:
    """Add the steps that a call needs, and the call; those that are there already are used again. Says which it is."""
    unusual = (
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        not dependant.use_cache,
        not _has_ids_only(dependant.path_params),
    )
    if dependant.call is None or any(unusual):
        raise _LongWay
    if dependant.call in known:
        return known[dependant.call]
    results = [(each.name, _plan(each, steps, known)) for each in dependant.dependencies]
    call, is_generator = _awaitable(dependant.call)
    named = [(name, index) for name, index in results if name is not None]
    request_names = [each for each in (dependant.request_param_name, dependant.http_connection_param_name) if each]
    steps.append(_Step(call, is_generator, request_names, named, _Fields(dependant)))
    known[dependant.call] = len(steps) - 1
    return len(steps) - 1


def _awaitable(call: Callable[..., Any]) -> tuple[Callable[..., Awaitable[Any]], bool]:
    if inspect.isasyncgenfunction(call):
        return asynccontextmanager(call), True  # type: ignore[return-value]  # the second element tells them apart
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004 - whether it can be awaited, not called
        return call, False
    raise _LongWay


def _has_ids_only(fields: Sequence[ModelField]) -> bool:
    return all(field.field_info.annotation is UUID and not field.field_info.metadata for field in fields)


def _wants_form(route: APIRoute) -> bool:
    fields = route.dependant.body_params
    return len(fields) > 1 or any(isinstance(field.field_info, Form) for field in fields)


def _checked(field: ModelField, given: object) -> object:
    value, errors = field.validate(given, {})
    if errors:
        raise _LongWay
    return value


def _alias(field: ModelField) -> str:
    return field.field_info.alias or field.name


def _id(text: str) -> UUID:
    if len(text) != 36:
        raise _LongWay
    try:
        return UUID(text)
    except ValueError as exc:
        raise _LongWay from exc
