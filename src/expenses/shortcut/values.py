"""The values that an endpoint wants of a request, checked as FastAPI checks them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi._compat import field_annotation_is_scalar
from fastapi.dependencies.utils import request_params_to_args

from expenses.ids import read_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from fastapi._compat import ModelField
    from fastapi.dependencies.models import Dependant
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope

_JSON = frozenset({b"application/json", b"application/json; charset=utf-8"})


class LongWay(Exception):
    """This request is for FastAPI to look at."""


class Body:
    """The body of a request, kept so that it can be read once more."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: bytes | None = None

    async def json(self, scope: Scope) -> object:
        """What it holds. Raises `LongWay`."""
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if kind.lower() not in _JSON:
            raise LongWay
        # Not `Request.body()`: what it goes through takes longer than all the rest of reading it.
        message = await self._receive()
        parts = [message.get("body", b"")]
        while message.get("more_body", False):
            message = await self._receive()
            parts.append(message.get("body", b""))
        if message["type"] != "http.request":  # they went away
            raise LongWay
        self._read = b"".join(parts)
        try:
            return json.loads(self._read)
        except (ValueError, RecursionError) as exc:
            raise LongWay from exc

    async def receive(self) -> Message:
        """As the server's, but a body that has been read comes once more, in one piece."""
        if self._read is None:
            return await self._receive()
        read, self._read = self._read, None
        return {"type": "http.request", "body": read, "more_body": False}


class Fields:
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
        """They, by the names of the call's parameters. Raises `LongWay`."""
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
            raise LongWay
        return values

    def _add(self, values: dict[str, Any], fields: Mapping[str, ModelField], given: Mapping[str, Any]) -> None:
        for alias, field in fields.items():
            if alias in given:
                if field.name in self._single:
                    values[field.name] = checked(field, given[alias])
                    continue
                several, errors = request_params_to_args([field], given)
                if errors:
                    raise LongWay
                values |= several


def checked(field: ModelField, given: object) -> object:
    """A value as the endpoint wants it. Raises `LongWay`."""
    value, errors = field.validate(given, {})
    if errors:
        raise LongWay
    return value


def _alias(field: ModelField) -> str:
    return field.field_info.alias or field.name


def _id(text: str) -> UUID:
    try:
        return read_id(text)
    except ValueError as exc:
        raise LongWay from exc
