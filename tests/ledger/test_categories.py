"""Categories over HTTP: two levels, names, colours, archiving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.conftest import execute
from tests.ledger.recording import COFFEE, category_ids, record

from expenses.ledger.categories import LARGEST_POSITION, MOST_CATEGORIES, default_categories
from expenses.ledger.category_wire import CategoryOut

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

pytestmark = pytest.mark.anyio


async def add(client: httpx.AsyncClient, person: Person, **body: object) -> dict[str, Any]:
    answer = await client.post(f"{person.url}/categories", json=body, headers=person.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_workspace_begins_with_a_sensible_set(client: httpx.AsyncClient, anna: Person) -> None:
    items = (await client.get(f"{anna.url}/categories", headers=anna.headers)).json()["items"]
    for item in items:
        CategoryOut.model_validate(item)
    tops = {item["id"]: item["name"] for item in items if item["parent_id"] is None}
    assert {"Groceries", "Home", "Transport"} <= set(tops.values())
    assert {item["parent_id"] for item in items} - {None} <= set(tops)
    assert len(items) == len(list(default_categories(anna.workspace.id)))


async def test_a_new_category_stands_behind_its_siblings(client: httpx.AsyncClient, anna: Person) -> None:
    first = await add(client, anna, name="Pets")
    second = await add(client, anna, name="Garden", color="#0a0b0c")
    child = await add(client, anna, name="Dog food", parent_id=first["id"])
    assert (first["position"] + 1, child["position"]) == (second["position"], 1)
    assert (second["color"], first["color"]) == ("#0a0b0c", "#8b928e")
    items = (await client.get(f"{anna.url}/categories", headers=anna.headers)).json()["items"]
    assert [each for each in items if each["id"] in {first["id"], second["id"], child["id"]}] == [child, first, second]


async def test_there_are_two_levels(client: httpx.AsyncClient, anna: Person) -> None:
    ids = await category_ids(client, anna)
    top, below = ids["Transport"], ids["Fuel"]
    for method, path, body in [
        ("POST", "categories", {"name": "x", "parent_id": below}),
        ("POST", "categories", {"name": "x", "parent_id": str(uuid4())}),
        ("PATCH", f"categories/{top}", {"parent_id": ids["Groceries"]}),
        ("PATCH", f"categories/{ids['Groceries']}", {"parent_id": ids["Groceries"]}),
        ("PATCH", f"categories/{ids['Groceries']}", {"parent_id": below}),
    ]:
        answer = await client.request(method, f"{anna.url}/{path}", json=body, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parent"), body
    moved = await client.patch(f"{anna.url}/categories/{below}", json={"parent_id": None}, headers=anna.headers)
    assert moved.json()["parent_id"] is None
    under = await client.patch(f"{anna.url}/categories/{below}", json={"parent_id": ids["Home"]}, headers=anna.headers)
    assert under.json()["parent_id"] == ids["Home"]


async def test_siblings_have_different_names_in_any_case(client: httpx.AsyncClient, anna: Person) -> None:
    ids = await category_ids(client, anna)
    url = f"{anna.url}/categories"
    for body in ({"name": "GROCERIES"}, {"name": "fuel", "parent_id": ids["Transport"]}):
        answer = await client.post(url, json=body, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "category_exists")
    await add(client, anna, name="Fuel")
    renamed = await client.patch(f"{url}/{ids['Groceries']}", json={"name": "groceries"}, headers=anna.headers)
    assert renamed.json()["name"] == "groceries"
    taken = await client.patch(f"{url}/{ids['Groceries']}", json={"name": "Home"}, headers=anna.headers)
    assert taken.status_code == 409


async def test_an_archived_category_keeps_its_expenses_and_takes_no_new_ones(
    client: httpx.AsyncClient, anna: Person
) -> None:
    ids = await category_ids(client, anna)
    expense = await record(client, anna, category_id=ids["Fuel"])
    url = f"{anna.url}/categories"
    assert (await client.delete(f"{url}/{ids['Transport']}", headers=anna.headers)).status_code == 204
    assert not {"Transport", "Fuel"} & set(await category_ids(client, anna))
    everything = (await client.get(f"{url}?archived=true", headers=anna.headers)).json()["items"]
    assert {each["name"] for each in everything if each["is_archived"]} >= {"Transport", "Fuel", "Taxi"}
    body = COFFEE | {"category_id": ids["Fuel"]}
    answer = await client.post(f"{anna.url}/expenses", json=body, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_category")
    changed = await client.patch(f"{anna.url}/expenses/{expense['id']}", json={"note": "x"}, headers=anna.headers)
    assert changed.json()["category_id"] == ids["Fuel"]
    for answer in (
        await client.delete(f"{url}/{ids['Fuel']}", headers=anna.headers),
        await client.patch(f"{url}/{ids['Fuel']}", json={"name": "x"}, headers=anna.headers),
    ):
        assert answer.status_code == 404
    below = await client.post(url, json={"name": "x", "parent_id": ids["Transport"]}, headers=anna.headers)
    assert below.json()["code"] == "invalid_parent"
    assert (await add(client, anna, name="Transport"))["id"] != ids["Transport"]


@pytest.mark.parametrize("door", ["POST", "PATCH"])
async def test_bad_fields_are_refused_by_name(client: httpx.AsyncClient, anna: Person, door: str) -> None:
    url = f"{anna.url}/categories"
    category = await add(client, anna, name="Kept")
    bad: list[tuple[dict[str, Any], str, str]] = [
        ({"name": ""}, "malformed", "name"),
        ({"name": "  "}, "invalid_text", "name"),
        ({"name": "x" * 101}, "malformed", "name"),
        ({"name": "a\0"}, "invalid_text", "name"),
        ({"name": None}, "malformed", "name"),
        ({"color": "red"}, "invalid_color", "color"),
        ({"color": "#ABCDEF"}, "invalid_color", "color"),
        ({"color": "#abcdef; background: url(x)"}, "invalid_color", "color"),
        ({"position": -1}, "malformed", "position"),
        ({"position": LARGEST_POSITION + 1}, "malformed", "position"),
        ({"position": 2**63}, "malformed", "position"),
        ({"parent_id": "x"}, "malformed", "parent_id"),
        ({"id": str(uuid4())}, "malformed", "id"),
    ]
    for fields, code, field in bad:
        if door == "POST":
            answer = await client.post(url, json={"name": "New"} | fields, headers=anna.headers)
        else:
            answer = await client.patch(f"{url}/{category['id']}", json=fields, headers=anna.headers)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, code), fields
        assert problem["errors"][0]["field"] == field


async def test_a_name_is_stored_character_by_character(client: httpx.AsyncClient, anna: Person) -> None:
    name = "'); DROP TABLE category;-- <img src=x onerror=alert(1)> \U0001f4b8"
    assert (await add(client, anna, name=name))["name"] == name
    assert name in await category_ids(client, anna)


async def test_there_is_a_bound_on_categories(client: httpx.AsyncClient, anna: Person, database: str) -> None:
    have = len(await category_ids(client, anna))
    execute(
        database,
        "INSERT INTO category (workspace_id, id, name, color, position) "
        f"SELECT '{anna.workspace.id}', gen_random_uuid(), 'c' || n, '#000000', 1 "
        f"FROM generate_series(1, {MOST_CATEGORIES - have - 1}) n",
    )
    await add(client, anna, name="The last one")
    answer = await client.post(f"{anna.url}/categories", json={"name": "One more"}, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_categories")
