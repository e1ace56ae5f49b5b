"""Nothing that is sent or asked for is without an end: pages, lists, searches and texts, each tried at its edge.

The lists, their pages and the texts in queries are found in `/api/openapi.json`. Bodies: `test_limits`; through nginx:
`tests/stack`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.browsing import open_window

from expenses.ledger.model import LONGEST_SEARCH
from expenses.ledger.search import MOST_TERMS
from expenses.workspaces import invitation_service, service
from expenses.workspaces.model import MOST_MEMBERS, MOST_WORKSPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

SHORT_BY_PATTERN_OR_MEANING = {"cursor", "token", "month", "base", "quote", "min", "max"}
"""Texts in queries without a longest length of their own: a pattern or the length of what we made bounds them."""


def lists(app: FastAPI) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """The path of everything that answers with `items`, and its query parameters by name."""
    description = app.openapi()
    schemas = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        named = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        if "items" in schemas.get(named, {}).get("properties", {}):
            yield path, {each["name"]: each["schema"] for each in methods["get"].get("parameters", [])}


def largest(schema: dict[str, Any]) -> int:
    return next(int(each["maximum"]) for each in schema.get("anyOf", [schema]) if "maximum" in each)


async def test_every_list_is_turned_by_the_page(app: FastAPI) -> None:
    found = dict(lists(app))
    assert len(found) > 15
    assert [path for path, parameters in found.items() if not {"limit", "cursor"} <= parameters.keys()] == []


async def test_every_page_has_a_longest_length_and_longer_ones_are_malformed(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    tried = 0
    for path, parameters in lists(app):
        if "limit" not in parameters:
            continue
        most = largest(parameters["limit"])
        assert 1 <= most <= 500, path
        url = path.format(workspace_id=anna.workspace.id, expense_id=anna.workspace.id)
        for limit, is_refused in ((0, True), (-1, True), (1, False), (most, False), (most + 1, True), (10**30, True)):
            answer = await client.get(url, params={"limit": limit}, headers=anna.headers)
            assert (answer.status_code == 422) == is_refused, (path, limit, answer.text)
            tried += 1
    assert tried > 30


async def test_every_text_in_a_query_has_a_longest_length(
    app: FastAPI, client: httpx.AsyncClient, anna: Person
) -> None:
    for path, methods in app.openapi()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            kinds = parameter["schema"].get("anyOf", [parameter["schema"]])
            texts = [
                each for each in kinds if each.get("type") == "string" and not {"format", "const", "enum"} & each.keys()
            ]
            if parameter["in"] != "query" or not texts:
                continue
            name, longest = parameter["name"], max(each.get("maxLength", 0) for each in texts)
            assert longest or name in SHORT_BY_PATTERN_OR_MEANING, (path, name)
            url = path.format(workspace_id=anna.workspace.id, expense_id=anna.workspace.id)
            answer = await client.get(url, params={name: "9" * (longest or 4000) + "9"}, headers=anna.headers)
            # An invitation's token that is too long is one that never was.
            assert answer.status_code == (404 if name == "token" else 422), (path, name, answer.status_code)


async def test_a_search_has_a_longest_text_and_a_largest_number_of_terms(
    client: httpx.AsyncClient, anna: Person, app: FastAPI
) -> None:
    terms = " ".join(["ab"] * MOST_TERMS)
    for q, status in (
        ("x" * LONGEST_SEARCH, 200),
        ("x" * (LONGEST_SEARCH + 1), 422),
        (terms, 200),
        (f"{terms} ab", 422),
        ('"' * LONGEST_SEARCH, 422),
        ("%_\\" * 60, 200),
        ("(" * LONGEST_SEARCH, 200),
    ):
        answer = await client.get(f"{anna.url}/expenses", params={"q": q}, headers=anna.headers)
        assert answer.status_code == status, (q, answer.text)
    window = await open_window(app, client, anna)
    page = await window.client.get(f"{window.home}/expenses", params={"q": "x" * 5000}, headers={"Accept": "text/html"})
    assert page.status_code < 500
    assert page.status_code == 422 or "At most" in page.text


async def test_a_list_of_names_or_ids_in_a_body_has_an_end(client: httpx.AsyncClient, anna: Person) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    for path, body in (
        ("merchants/rename", {"from": ["x"] * 10_000, "to": "y"}),
        ("expenses/bulk", {"expenses": [{"id": nobody}] * 501, "action": "delete"}),
    ):
        answer = await client.post(f"{anna.url}/{path}", json=body, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "malformed"), path


async def test_nobody_belongs_to_more_workspaces_than_fit_in_a_list(
    client: httpx.AsyncClient, anna: Person, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_WORKSPACES <= MOST_MEMBERS
    for module in (service, invitation_service):
        monkeypatch.setattr(module, "MOST_WORKSPACES", 2)
    ben = await people.sign_up()
    invited = await client.post(f"{ben.url}/invitations", json={}, headers=ben.headers)
    token = invited.json()["token"]
    made = [await client.post("/api/v1/workspaces", json={"name": "x"}, headers=anna.headers) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 409]
    assert made[1].json()["code"] == "too_many_workspaces"
    accepted = await client.post("/api/v1/invitations/accept", json={"token": token}, headers=anna.headers)
    assert (accepted.status_code, accepted.json()["code"]) == (409, "too_many_workspaces")
    listed = await client.get("/api/v1/workspaces", headers=anna.headers)
    assert len(listed.json()["items"]) == 2
