"""What answering a route takes, worked out once from FastAPI's analysis of it."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi.params import Form
from starlette.responses import Response

from expenses.shortcut.values import Fields, LongWay, checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fastapi._compat import ModelField
    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute
    from starlette.requests import Request

    from expenses.shortcut.values import Body


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route that can be answered the short way."""

    route: APIRoute
    path: str
    methods: frozenset[str]
    names: tuple[str, ...]
    """Of the path's parameters, in their order."""
    steps: Sequence[_Step]
    body_fields: Sequence[ModelField]

    @classmethod
    def of(cls, route: APIRoute) -> Endpoint | None:
        """The endpoint of a route; none if it wants what only the long way gives."""
        returned = inspect.signature(route.endpoint, eval_str=True).return_annotation
        is_finished = isinstance(returned, type) and issubclass(returned, Response)
        names = tuple(part[1:-1] for part in route.path.split("/") if part.startswith("{"))
        if not is_finished or set(names) != set(route.param_convertors) or _wants_form(route):
            return None
        steps: list[_Step] = []
        try:
            _plan(route.dependant, steps, {})
        except LongWay:
            return None
        return cls(route, route.path, frozenset(route.methods or ()), names, steps, route.dependant.body_params)

    async def answer(self, request: Request, body: Body) -> Response:
        """What the endpoint answers; what it used has been given back by then.

        Raises:
            LongWay: Something about the request is not as described.
        """
        given = {}
        for field in self.body_fields:  # one, or none: `_wants_form`
            given[field.name] = checked(field, await body.json(request.scope))
        earlier: list[Any] = []
        last = len(self.steps) - 1
        async with AsyncExitStack() as stack:
            for index, step in enumerate(self.steps):
                earlier.append(await step.run(request, earlier, given if index == last else {}, stack))
        response: Response = earlier[-1]
        return response


@dataclass(frozen=True, slots=True)
class _Step:
    """One call of a dependency or, the last, of the endpoint: where each of its arguments comes from."""

    call: Callable[..., Any]
    is_generator: bool
    request_names: Sequence[str]
    results: Sequence[tuple[str, int]]
    """Names of arguments that are results of earlier steps, and of which."""
    fields: Fields

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
        raise LongWay
    if dependant.call in known:
        return known[dependant.call]
    results = [(each.name, _plan(each, steps, known)) for each in dependant.dependencies]
    call, is_generator = _awaitable(dependant.call)
    named = [(name, index) for name, index in results if name is not None]
    request_names = [each for each in (dependant.request_param_name, dependant.http_connection_param_name) if each]
    steps.append(_Step(call, is_generator, request_names, named, Fields(dependant)))
    known[dependant.call] = len(steps) - 1
    return len(steps) - 1


def _awaitable(call: Callable[..., Any]) -> tuple[Callable[..., Awaitable[Any]], bool]:
    if inspect.isasyncgenfunction(call):
        return asynccontextmanager(call), True  # type: ignore[return-value]  # the second element tells them apart
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004 - whether it can be awaited, not called
        return call, False
    raise LongWay


def _has_ids_only(fields: Sequence[ModelField]) -> bool:
    return all(field.field_info.annotation is UUID and not field.field_info.metadata for field in fields)


def _wants_form(route: APIRoute) -> bool:
    fields = route.dependant.body_params
    return len(fields) > 1 or any(isinstance(field.field_info, Form) for field in fields)
