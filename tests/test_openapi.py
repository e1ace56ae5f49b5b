"""What the API's description promises to those who generate a client from it."""

from __future__ import annotations

from typing import Any

import pytest

from expenses.app import create_app
from expenses.config import Settings


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    app = create_app(Settings(database_url="postgresql://127.0.0.1/none"))  # type: ignore[arg-type]  # pydantic makes the secret
    return {
        f"{method.upper()} {path}": operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/v1")
    }


def test_every_operation_has_a_summary(operations: dict[str, Any]) -> None:
    assert [name for name, operation in operations.items() if not operation.get("summary")] == []


def test_every_error_answer_is_described_as_a_problem(operations: dict[str, Any]) -> None:
    others = [
        (name, status)
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if int(status) >= 400 and list(response.get("content", {})) != ["application/problem+json"]
    ]
    assert others == []


def test_all_but_the_doors_need_a_token(operations: dict[str, Any]) -> None:
    doors = sorted(name for name, operation in operations.items() if "security" not in operation)
    assert doors == ["GET /api/v1/invitations/preview", "POST /api/v1/auth/register", "POST /api/v1/auth/token"]
