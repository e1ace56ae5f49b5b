"""How the API's description tells of errors: every one of them is a problem (RFC 9457), not FastAPI's own format."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from expenses.http import PROBLEM

if TYPE_CHECKING:
    from fastapi import FastAPI


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
        for path in description["paths"].values():
            for operation in path.values():
                _name_media_type(operation["responses"])
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # what FastAPI's manual prescribes ("Extending OpenAPI")


def _name_media_type(responses: dict[str, Any]) -> None:
    for response in responses.values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema", {}).get("$ref") == "#/components/schemas/Problem":
            content[PROBLEM] = content.pop("application/json")
