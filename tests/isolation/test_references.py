"""Whatever an id in a body, a query or a form names, it is looked for in one workspace only: the one in the path.

The fields are found in `/api/openapi.json`; a new one that `BODIES` or `QUERIES` does not have fails here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.browsing import PAGE
from tests.ledger.recording import COFFEE, category_ids, record
from tests.workspaces.routes import API, FORM, PAYMENT
from tests.workspaces.stage import STRANGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx
    from tests.isolation.conftest import Everything
    from tests.people import Person
    from tests.workspaces.stage import Stage

pytestmark = pytest.mark.anyio

SECRET = "Praxis Dr. Befund"
"""Stands in everything of the owner's, and must be in no answer to the stranger."""


@dataclass(frozen=True)
class Things:
    """The ids of what somebody has, and their own."""

    expense: str
    category: str
    account: str
    user: str


@dataclass(frozen=True)
class Ids(Things):
    """What the owner has, and what the stranger has of the same kind."""

    mine: Things


def halves(category_id: str) -> list[dict[str, str]]:
    return [{"category_id": category_id, "value": "1.90"}, {"value": "1.90"}]


def shared(mode: str, ids: Ids, *, by: str, parts: str, part: object) -> dict[str, Any]:
    return {"split": {"mode": mode, parts: [{"user_id": each, by: part} for each in (ids.mine.user, ids.user)]}}


OF_EXPENSE: dict[str, Callable[[Ids], dict[str, Any]]] = {
    "category_id": lambda ids: {"category_id": ids.category},
    "payer_id": lambda ids: {"payer_id": ids.user},
    "account_id": lambda ids: {"account_id": ids.account},
    "lines[].category_id": lambda ids: {"lines": halves(ids.category)},
    "split.among[]": lambda ids: {"split": {"mode": "even", "among": [ids.mine.user, ids.user]}},
    "split.weights[].user_id": lambda ids: shared("weights", ids, parts="weights", by="weight", part=1),
    "split.shares[].user_id": lambda ids: shared("exact", ids, parts="shares", by="value", part="1.90"),
}


def coffee(ids: Ids, *, field: str) -> dict[str, Any]:
    return COFFEE | OF_EXPENSE[field](ids)


def bulk_change(ids: Ids, *, field: str) -> dict[str, Any]:
    return {"expenses": [{"id": ids.mine.expense}], "action": "change", "change": OF_EXPENSE[field](ids)}


BODIES: dict[str, Callable[[Ids], dict[str, Any]]] = {
    **{f"post {API}/expenses {field}": functools.partial(coffee, field=field) for field in OF_EXPENSE},
    **{f"patch {API}/expenses/{{expense_id}} {field}": said for field, said in OF_EXPENSE.items()},
    f"post {API}/categories parent_id": lambda ids: {"name": "New", "parent_id": ids.category},
    f"patch {API}/categories/{{category_id}} parent_id": lambda ids: {"parent_id": ids.category},
    f"post {API}/settlements from_user_id": lambda ids: {
        "from_user_id": ids.user, "to_user_id": ids.mine.user, **PAYMENT
    },
    f"post {API}/settlements to_user_id": lambda ids: {
        "from_user_id": ids.mine.user, "to_user_id": ids.user, **PAYMENT
    },
    f"post {API}/expenses/bulk expenses[].id": lambda ids: {
        "expenses": [{"id": ids.mine.expense}, {"id": ids.expense}], "action": "delete"
    },
    **{
        f"post {API}/expenses/bulk change.{field}": functools.partial(bulk_change, field=field)
        for field in ("category_id", "payer_id", "account_id")
    },
}  # fmt: skip
"""A body that would do its work, were the id in this field one of the stranger's own workspace."""

QUERIES: dict[str, Callable[[Ids], str]] = {
    f"get {API}/expenses category_id": lambda ids: ids.category,
    f"get {API}/expenses payer_id": lambda ids: ids.user,
    f"get {API}/expenses account_id": lambda ids: ids.account,
    f"get {API}/audit entity_id": lambda ids: ids.expense,
}

FORMS: dict[str, Callable[[Ids], dict[str, str]]] = {
    "/expenses": lambda ids: FORM | {"category_id": ids.category},
    "/expenses/{expense}": lambda ids: FORM | {"category_id": ids.category},
    "/categories": lambda ids: {"name": "New", "parent_id": ids.category, "color": "#000000"},
    "/settlements": lambda ids: {
        "from_user_id": ids.mine.user, "to_user_id": ids.user, "amount": "1", "currency": "EUR"
    },
}  # fmt: skip
"""The same for pages, whose fields no description lists."""


@pytest.fixture
async def ids(stage: Stage) -> Ids:
    owner, stranger = stage.cast["owner"], stage.cast[STRANGER]
    theirs = await things_of(stage.client, owner, SECRET)
    return Ids(**vars(theirs), mine=await things_of(stage.client, stranger, "Own"))


async def things_of(client: httpx.AsyncClient, person: Person, name: str) -> Things:
    category = await client.post(f"{person.url}/categories", json={"name": name}, headers=person.headers)
    account = await client.post(f"{person.url}/payment-accounts", json={"name": name}, headers=person.headers)
    expense = await record(client, person, merchant=name, note=name, category_id=category.json()["id"])
    assert name in await category_ids(client, person)
    return Things(expense["id"], category.json()["id"], account.json()["id"], str(person.user.id))


async def test_every_field_that_takes_an_id_is_tried_below(stage: Stage) -> None:
    description = stage.app.openapi()
    schemas = description["components"]["schemas"]
    bodies, queries = set(), set()
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                bodies |= {f"{method} {path} {field}" for field in fields_with_ids(content["schema"], schemas)}
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and list(fields_with_ids(parameter["schema"], schemas)):
                    queries.add(f"{method} {path} {parameter['name']}")
    assert bodies == set(BODIES)
    assert queries == set(QUERIES)


def fields_with_ids(schema: dict[str, Any], schemas: dict[str, Any], at: str = "") -> Iterator[str]:
    """The places in a body where an id may stand, such as `lines[].category_id`."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if schema.get("format") == "uuid":
        yield at
    for each in (*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])):
        yield from fields_with_ids(each, schemas, at)
    for name, each in schema.get("properties", {}).items():
        yield from fields_with_ids(each, schemas, f"{at}.{name}" if at else name)
    if "items" in schema:
        yield from fields_with_ids(schema["items"], schemas, f"{at}[]")


async def test_an_id_of_another_workspace_in_a_body_is_refused_and_nothing_is_written(
    stage: Stage, ids: Ids, everything: Everything
) -> None:
    stranger, wrong = stage.cast[STRANGER], []
    for field, body in BODIES.items():
        method, path, _ = field.split(" ")
        names = {"workspace_id": str(stranger.workspace.id), "expense_id": ids.mine.expense}
        names["category_id"] = ids.mine.category
        before = everything.now()
        url = path.format_map(names)
        answer = await stage.client.request(method.upper(), url, json=body(ids), headers=stranger.headers)
        refused = answer.status_code in {404, 422} and answer.json()["code"] != "malformed"
        refused |= answer.status_code == 409 and answer.json()["code"] == "bulk_refused"
        if not refused or SECRET in answer.text or everything.now() != before:
            wrong.append(f"{field}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []


async def test_an_id_of_another_workspace_in_a_query_finds_nothing(stage: Stage, ids: Ids) -> None:
    stranger = stage.cast[STRANGER]
    for field, foreign in QUERIES.items():
        _, path, name = field.split(" ")
        url = path.format(workspace_id=stranger.workspace.id)
        answer = await stage.client.get(url, params={name: foreign(ids)}, headers=stranger.headers)
        assert answer.status_code in {200, 404, 422}, field
        assert answer.json().get("items", []) == [], field
        assert SECRET not in answer.text


async def test_an_id_of_another_workspace_in_a_form_is_refused_and_nothing_is_written(
    stage: Stage, ids: Ids, everything: Everything
) -> None:
    stranger, window = stage.cast[STRANGER], await stage.window(STRANGER)
    headers = PAGE | {"Cookie": f"__Host-expenses_session={window.token}"}
    for path, fields in FORMS.items():
        url = f"/w/{stranger.workspace.id}" + path.format_map(vars(ids.mine))
        before = everything.now()
        form = fields(ids) | {"csrf_token": window.csrf_token, "version": "1"}
        answer = await stage.client.post(url, data=form, headers=headers)
        assert answer.status_code in {404, 422}, path
        assert SECRET not in answer.text
        assert everything.now() == before, path


async def test_the_same_with_ids_of_ones_own_is_done(stage: Stage, ids: Ids) -> None:
    """Else all of the above might be refused for another reason."""
    stranger, refused = stage.cast[STRANGER], []
    own = Ids(**vars(ids.mine), mine=ids.mine)
    last = sorted(BODIES, key=lambda field: "lines" in field)  # an expense that has lines takes no category of its own
    for field, body in ((each, BODIES[each]) for each in last):
        if "settlements" in field or "split" in field or "parent_id" in field or "bulk expenses" in field:
            continue  # they need a second person, or another category
        method, path, _ = field.split(" ")
        names = {"workspace_id": stranger.workspace.id, "expense_id": own.expense, "category_id": own.category}
        answer = await stage.client.request(
            method.upper(), path.format_map(names), json=body(own), headers=stranger.headers
        )
        if answer.status_code not in {200, 201}:
            refused.append(f"{field}: {answer.status_code} {answer.text[:200]}")
    assert refused == []
