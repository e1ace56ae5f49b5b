"""Every route asks who it is, but for the few that are for everybody. A new one is either, or this fails.

What the others answer to whom: `tests.workspaces.test_rights` below a workspace, `tests.accounts.test_scopes` about
oneself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.browsing import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from fastapi import FastAPI

pytestmark = pytest.mark.anyio

FOR_EVERYBODY = {
    *("GET /livez", "GET /readyz", "GET /health"),
    *("GET /api/openapi.json", "GET /api/errors", "GET /static/{name:path}", "GET /favicon.ico"),
    *("POST /api/v1/auth/token", "POST /api/v1/auth/register", "GET /api/v1/invitations/preview"),
    *("GET /sign-in", "POST /sign-in", "GET /sign-in/code", "POST /sign-in/code"),
    *("GET /register", "POST /register", "GET /join", "POST /join/register"),
}
"""Doors, and what stands outside of them. Forms ask for their cookie's token (`tests.accounts.test_pages`)."""

NAMES = {"month": "2026-11", "on": "2026-11-20", "base": "EUR", "quote": "USD"}


def routes_of(routes: list[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        yield from ((method, route.path) for method in sorted(route.methods - {"HEAD"}))


async def test_every_route_but_the_doors_asks_who_it_is(app: FastAPI, client: httpx.AsyncClient) -> None:
    found = list(routes_of(app.routes))
    assert {f"{method} {path}" for method, path in found} >= FOR_EVERYBODY
    wrong = {}
    for method, path in found:
        if f"{method} {path}" in FOR_EVERYBODY:
            continue
        parts = [part.strip("{}").removesuffix(":uuid") if part.startswith("{") else "" for part in path.split("/")]
        names = {name: NAMES.get(name, "01a20435-214c-7d53-9b43-75e939763ba6") for name in parts if name}
        is_api = path.startswith("/api/")
        answer = await client.request(
            method, path.replace(":uuid}", "}").format_map(names), headers={} if is_api else PAGE
        )
        asked = (answer.status_code, answer.headers.get("Location", "").partition("?")[0])
        if asked != ((401, "") if is_api else (303, "/sign-in")):
            wrong[f"{method} {path}"] = asked
    assert wrong == {}
