"""Whatever a path names, only those whose it is get there: to others it does not exist, and nothing changes.

A new route with a name in its path is tried by itself; `tests.workspaces.routes.THINGS` has to say how to get such a
thing, or this fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.workspaces.routes import named_routes_of
from tests.workspaces.stage import STRANGER

if TYPE_CHECKING:
    from fastapi import FastAPI
    from tests.isolation.conftest import Everything
    from tests.workspaces.stage import Stage

pytestmark = pytest.mark.anyio


async def test_every_route_with_a_name_in_its_path_is_tried_below(app: FastAPI) -> None:
    tried = {route.name for route in named_routes_of(app)}
    described = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if "{" in path
    }
    assert len(described) > 40
    assert described - tried == set()
    pages = tried - described
    assert len(pages) > 25
    assert [name for name in pages if not name.split()[1].startswith(("/w/{", "/security/"))] == []


async def test_what_is_somebody_elses_is_not_there_and_stays_as_it_is(stage: Stage, everything: Everything) -> None:
    wrong, tried = [], 0
    for route in named_routes_of(stage.app):
        # In their workspace; and, where something in it is named, as if that were in the stranger's own.
        for within in ("owner", STRANGER) if "workspace_id" in route.path and route.names_a_thing else ("owner",):
            address = await stage.address(route, within)
            before = everything.now()
            answer = await stage.asked(route, STRANGER, address)
            after = everything.now()
            tried += 1
            if answer.status_code != 404:
                wrong.append(f"{route.name} answers {answer.status_code} within the workspace of {within}")
            if changed := [name for name in after if after[name] != before.get(name)]:
                wrong.append(f"{route.name} changes {changed} within the workspace of {within}")
    assert wrong == []
    assert tried > len(named_routes_of(stage.app))


async def test_a_change_by_the_owner_is_noticed(stage: Stage, everything: Everything) -> None:
    (route,) = [
        each for each in named_routes_of(stage.app) if each.name.startswith("DELETE") and "/trash/" in each.path
    ]
    address = await stage.address(route, "owner")
    before = everything.now()
    assert (await stage.asked(route, "owner", address)).status_code == 204
    after = everything.now()
    assert "expense" in {name for name in after if after[name] != before[name]}
