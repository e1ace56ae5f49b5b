"""What the API's description says beyond the routes: errors are problems (RFC 9457), and everything has an example."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from expenses.errors import (
    Conflict,
    Crashed,
    Forbidden,
    Malformed,
    NotFound,
    PreconditionFailed,
    ServiceError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from expenses.examples import example_of
from expenses.http import PROBLEM, problem_body

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute

_SCHEMAS = "#/components/schemas/"

_RETRY_AFTER = {"description": "Seconds until it makes sense to ask again", "schema": {"type": "integer"}}

_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "An `ETag` that you have: if it is still the current one, the answer is 304 without a body",
    "schema": {"type": "string"},
}

_EXAMPLES: dict[int, type[ServiceError]] = {
    kind.status: kind
    for kind in (
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        TooLarge,
        Malformed,
        TooManyRequests,
        Crashed,
        Unavailable,
    )
}


class FieldProblem(BaseModel):
    """One thing that is wrong with one field of a request."""

    field: str
    detail: str


class Problem(BaseModel):
    """Why a request was not done. Test `code`; the texts may change."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable: what clients test for")
    detail: str
    errors: list[FieldProblem] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its `responses`; 422 (malformed) goes without saying.

    That they are a `Problem` is added by `describe`. FastAPI would make an adapter of each of them if it stood here,
    330 in all and 1 MB, which no request uses.
    """
    return {status: {"description": HTTPStatus(status).phrase} for status in (*statuses, 422)}


def operation_id(route: APIRoute) -> str:
    """What generated clients call an operation: the name of its function, which is therefore unique in the API."""
    return route.name


def describe(app: FastAPI) -> None:
    """Complete `/api/openapi.json` with what no route says by itself: the answers of the middlewares, and examples."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = described()
            schemas = description["components"]["schemas"]
            _, problem = models_json_schema([(Problem, "serialization")], ref_template=f"{_SCHEMAS}{{model}}")
            schemas |= problem["$defs"]
            for name, path in description["paths"].items():
                for method, operation in path.items():
                    if name.startswith("/api/"):
                        _add_common_answers(operation, method=method)
                        _add_problems(operation["responses"])
                    _add_examples(operation, schemas)
        return described()  # which FastAPI keeps

    app.openapi = openapi  # type: ignore[method-assign]  # what FastAPI's manual prescribes ("Extending OpenAPI")


def _add_common_answers(operation: dict[str, Any], *, method: str) -> None:
    """What any operation can answer, whatever its route declares: the middlewares do, or the framework."""
    common = [422, 429, 500, 503] + ([413] if "requestBody" in operation else [])
    for status in common:
        operation["responses"].setdefault(str(status), {"description": HTTPStatus(status).phrase})
    if "ETag" in operation["responses"].get("200", {}).get("headers", {}) and method == "get":
        operation["responses"]["304"] = {"description": HTTPStatus(304).phrase}
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
    for status in (429, 503):
        operation["responses"][str(status)].setdefault("headers", {})["Retry-After"] = _RETRY_AFTER


def _add_problems(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            response.setdefault("content", {PROBLEM: {"schema": {"$ref": f"{_SCHEMAS}{Problem.__name__}"}}})


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    answers = [(int(status), answer) for status, answer in operation["responses"].items()]
    for status, described in [(0, operation.get("requestBody", {})), *answers]:
        for media_type, content in described.get("content", {}).items():
            if media_type == PROBLEM:
                content.setdefault("example", problem_body(_EXAMPLES.get(status, ServiceError)()))
            elif "schema" in content and "examples" not in content:
                content.setdefault("example", example_of(content["schema"], schemas))
