"""How the API's description tells of errors: every one of them is a problem (RFC 9457), not FastAPI's own format."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from expenses.http import PROBLEM

if TYPE_CHECKING:
    from fastapi import FastAPI

_PROBLEM_SCHEMA = "#/components/schemas/Problem"

_RETRY_AFTER = {"description": "Seconds until it makes sense to ask again", "schema": {"type": "integer"}}

_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "An `ETag` that you have: if it is still the current one, the answer is 304 without a body",
    "schema": {"type": "string"},
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
    """The error answers of a route, for its `responses`; 422 (malformed) goes without saying."""
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in (*statuses, 422)}


def describe_problems(app: FastAPI) -> None:
    """Give the routes' error answers their true media type in `/api/openapi.json`."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        description = described()
        for name, path in description["paths"].items():
            for method, operation in path.items():
                if name.startswith("/api/"):
                    _add_common_answers(operation, method=method)
                _name_media_type(operation["responses"])
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # what FastAPI's manual prescribes ("Extending OpenAPI")


def _add_common_answers(operation: dict[str, Any], *, method: str) -> None:
    """What any operation can answer, whatever its route declares: the middlewares do, or the framework."""
    common = [422, 429, 500, 503] + ([413] if "requestBody" in operation else [])
    for status in common:
        described = operation["responses"].setdefault(str(status), {"description": HTTPStatus(status).phrase})
        described.setdefault("content", {"application/json": {"schema": {"$ref": _PROBLEM_SCHEMA}}})
    if "ETag" in operation["responses"].get("200", {}).get("headers", {}) and method == "get":
        operation["responses"]["304"] = {"description": HTTPStatus(304).phrase}
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
    for status in (429, 503):
        operation["responses"][str(status)].setdefault("headers", {})["Retry-After"] = _RETRY_AFTER


def _name_media_type(responses: dict[str, Any]) -> None:
    for response in responses.values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema", {}).get("$ref") == _PROBLEM_SCHEMA:
            content[PROBLEM] = content.pop("application/json")
