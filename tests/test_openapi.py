"""What the API's description promises to those who generate a client from it."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from expenses.app import create_app
from expenses.config import Settings


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    app = create_app(Settings(database_url="postgresql://127.0.0.1/none"))  # type: ignore[arg-type]  # pydantic makes the secret
    return app.openapi()


@pytest.fixture(scope="module")
def operations(description: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
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


def test_operations_have_the_names_of_their_functions_each_once(operations: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations.values()]
    assert sorted(names) == sorted(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
    assert {"list_expenses", "add_expense", "get_expense", "change_expense", "delete_expense"} <= set(names)


def test_every_operation_says_how_it_fails(operations: dict[str, Any]) -> None:
    for name, operation in operations.items():
        assert {"422", "429", "500", "503"} <= operation["responses"].keys(), name
        assert ("413" in operation["responses"]) == ("requestBody" in operation), name
        assert ("security" in operation) <= ("401" in operation["responses"]), name


def test_every_request_and_answer_has_an_example_that_is_one(
    operations: dict[str, Any], description: dict[str, Any]
) -> None:
    seen = 0
    for name, operation in operations.items():
        for described in [operation.get("requestBody", {}), *operation["responses"].values()]:
            for content in described.get("content", {}).values():
                schema = content["schema"] | {"components": description["components"]}
                found = [
                    str(error) for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(content["example"])
                ]
                assert found == [], f"{name}: {content['example']}"
                seen += 1
    assert seen > len(operations)
    assert description["openapi"].startswith("3.1")


def test_every_operation_that_makes_something_takes_an_idempotency_key(operations: dict[str, Any]) -> None:
    without = {
        operation["operationId"]
        for name, operation in operations.items()
        if name.startswith("POST") and "201" in operation["responses"]
        if not any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
    }
    assert without - set(NO_KEY) == set()


NO_KEY = {
    "register": "there is nobody yet whose key it could be; the e-mail address is taken by the first request",
    "create_token": "the answer is a secret",
    "begin_second_factor": "the answer is a secret",
    "invite": "the answer is a secret",
}
"""Operations that make something and take no `Idempotency-Key`, and why."""
