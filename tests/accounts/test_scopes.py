"""Which scope each route about one's own account needs: declared here, and tried with every scope."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import text

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio

NEEDED = {
    "GET /api/v1/me": "read",
    "PATCH /api/v1/me": "admin",
    "GET /api/v1/me/events": "read",
    "POST /api/v1/me/password": "admin",
    "GET /api/v1/me/second-factor": "read",
    "POST /api/v1/me/second-factor": "admin",
    "POST /api/v1/me/second-factor/disable": "admin",
    "POST /api/v1/me/second-factor/enable": "admin",
    "POST /api/v1/me/second-factor/recovery-codes": "admin",
    "GET /api/v1/me/sessions": "read",
    "DELETE /api/v1/me/sessions": "admin",
    "DELETE /api/v1/me/sessions/{session_id}": "admin",
    "GET /api/v1/me/tokens": "read",
    "POST /api/v1/me/tokens": "admin",
    "DELETE /api/v1/me/tokens/{token_id}": "write",  # as ever: it only takes away
}


def routes_of(app: FastAPI) -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path.startswith("/api/v1/me") and path[len("/api/v1/me") :][:1] in {"", "/"}
    }


async def test_every_route_about_the_account_has_its_scope_declared(app: FastAPI) -> None:
    assert routes_of(app) == NEEDED.keys()


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
async def test_each_scope_opens_its_routes_and_no_others(
    client: httpx.AsyncClient, anna: Person, session: Session, scope: str
) -> None:
    await session.execute(text("UPDATE api_token SET scopes = ARRAY[:scope]"), {"scope": scope})
    for route, needed in NEEDED.items():
        method, path = route.split(" ")
        path = path.format(session_id=UUID(int=7), token_id=UUID(int=7))
        answer = await client.request(method, path, json={}, headers=anna.headers)
        if needed == scope:
            assert answer.status_code not in {401, 403}, route
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), route


async def test_the_description_names_the_scope_admin(app: FastAPI) -> None:
    described = app.openapi()
    for route, needed in NEEDED.items():
        method, path = route.split(" ")
        scopes = described["paths"][path][method.lower()]["security"][0]["OAuth2PasswordBearer"]
        assert scopes == (["admin"] if needed == "admin" else []), route
