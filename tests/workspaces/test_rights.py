"""The matrix holds on every route: each is tried with every role and with tokens of fewer scopes.

Strangers, and ids of what is somebody else's: `tests.isolation`.

A new route needs `openapi_extra=needs(Action.X)`, and in `tests.workspaces.routes` what it takes to call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.workspaces.routes import API, routes_of
from tests.workspaces.stage import set_stage
from tools import rights as document

from expenses.app import create_app
from expenses.config import Settings
from expenses.workspaces.model import ROLES
from expenses.workspaces.rights import Action

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People
    from tests.workspaces.stage import Stage

    from expenses.accounts.model import Scope
    from expenses.db import Session

ROUTES = routes_of(create_app(Settings(database_url="postgresql://127.0.0.1/none")))  # type: ignore[arg-type]  # pydantic makes the secret

SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


@pytest.fixture
async def stage(app: FastAPI, client: httpx.AsyncClient, session: Session, people: People) -> Stage:
    return await set_stage(app, client, session, people)


def test_every_route_of_a_workspace_declares_its_action() -> None:
    assert len(ROUTES) > 20
    assert [route.name for route in ROUTES if route.action is None] == []


def test_every_action_belongs_to_a_route() -> None:
    assert set(Action) == {route.action for route in ROUTES}


def test_what_changes_something_needs_more_than_a_token_that_reads() -> None:
    for route in ROUTES:
        if route.action and route.method != "GET":
            assert route.action.value.scope != "read", route.name


def test_the_page_about_rights_says_what_the_matrix_says() -> None:
    assert document.PAGE.read_text(encoding="utf-8") == document.page(), "stale: `make rights` writes it anew"


@pytest.mark.anyio
async def test_every_route_does_for_each_role_what_the_matrix_says(stage: Stage) -> None:
    wrong, idle = [], {route.name for route in ROUTES}
    for route in ROUTES:
        for role in ROLES:
            answer = await stage.tried(route, role)
            allowed = route.action is not None and route.action.allows(role)
            if allowed and answer.status_code < 400:
                idle.discard(route.name)
            if answer.status_code >= 500 or (answer.status_code in {403, 404}) == allowed:
                wrong.append(f"{route.name} answers {answer.status_code} to {role}: {answer.text[:200]}")
    assert wrong == []
    # Their bodies name expenses, or are no JSON; that they are done is tried in tests of their own.
    assert idle == {f"POST {API}/expenses/bulk", f"POST {API}/rates/load"}


@pytest.mark.anyio
async def test_every_route_asks_who_it_is(stage: Stage) -> None:
    wrong = {}
    for route in ROUTES:
        answer = await stage.tried_unnamed(route)
        asks = (303, "/sign-in") if route.is_page else (401, "")
        if (answer.status_code, answer.headers.get("Location", "").partition("?")[0]) != asks:
            wrong[route.name] = answer.status_code
    assert wrong == {}


@pytest.mark.anyio
async def test_every_route_refuses_tokens_that_are_not_for_it(stage: Stage) -> None:
    wrong = []
    for route in ROUTES:
        if route.is_page or route.action is None:
            continue
        needed = SCOPES.index(route.action.value.scope)
        for few in (SCOPES[:needed], SCOPES[needed + 1 :]):
            answer = await stage.tried(route, "owner", await stage.token("owner", frozenset(few)))
            if answer.status_code != 403 or answer.json()["code"] != "insufficient_scope":
                wrong.append(f"{route.name} answers {answer.status_code} to a token for {few}")
    assert wrong == []
