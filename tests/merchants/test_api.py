"""Merchants: suggested by beginning and by part, renamed and merged with every change on record, cheap to ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import execute
from tests.ledger.recording import category_ids, record
from tests.ledger.test_queries import blocks_read, plan_of
from tests.plans import nodes

from expenses.merchants import queries, service

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


async def suggested(client: httpx.AsyncClient, person: Person, **params: str) -> list[dict[str, Any]]:
    answer = await client.get(f"{person.url}/merchants", params=params, headers=person.headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def rename(client: httpx.AsyncClient, person: Person, names: list[str], to: str) -> httpx.Response:
    return await client.post(f"{person.url}/merchants/rename", json={"from": names, "to": to}, headers=person.headers)


async def test_merchants_are_suggested_by_beginning_then_by_part_with_what_the_latest_expense_said(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    await record(client, ben, merchant="Market of Ben")
    fuel = (await category_ids(client, anna))["Fuel"]
    for day, merchant, more in [
        ("2026-11-01", "Supermarket", {}),
        ("2026-11-02", "MARKET hall", {}),
        ("2026-11-03", "Market Hall", {"category_id": fuel, "amount": {"value": "5", "currency": "JPY"}}),
        ("2026-11-04", "100% Juice", {}),
        ("2026-11-05", "Bakery", {}),
    ]:
        await record(client, anna, spent_on=day, merchant=merchant, **more)
    gone = await record(client, anna, merchant="Market gone")
    await client.delete(f"{anna.url}/expenses/{gone['id']}", headers=anna.headers)
    found = await suggested(client, anna, q="marK")
    assert [each["name"] for each in found] == ["Market Hall", "Supermarket"]
    assert found[0] == {
        "name": "Market Hall",
        "last_spent_on": "2026-11-03",
        "last_category_id": fuel,
        "last_currency": "JPY",
        "last_account_id": None,
    }
    for q, names in [
        ("", ["Bakery", "100% Juice", "Market Hall", "Supermarket"]),
        ("m", ["Market Hall", "Supermarket"]),
        ("%", ["100% Juice"]),
        ("_", []),
        ("\\", []),
        ("nowhere", []),
        ("b' OR 1=1", []),
        (" bak ", ["Bakery"]),
    ]:
        assert [each["name"] for each in await suggested(client, anna, q=q)] == names, q
    assert len(await suggested(client, anna, limit="2")) == 2
    for params in ({"limit": "0"}, {"limit": "51"}, {"q": "x" * 201}, {"q": "\0"}):
        answer = await client.get(f"{anna.url}/merchants", params=params, headers=anna.headers)
        assert answer.status_code == 422, params


async def test_a_merchant_is_renamed_on_all_its_expenses_and_back_and_each_change_is_on_record(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    theirs = await record(client, ben, merchant="Lidl")
    ids = [(await record(client, anna, merchant=name))["id"] for name in ("Lidl", "LIDL", "Lidl Paris")]
    assert (await rename(client, anna, ["lidl"], "Aldi")).json() == {"changed": 2}
    assert (await rename(client, anna, ["lidl"], "Aldi")).json() == {"changed": 0}
    assert (await rename(client, anna, ["Aldi"], "Lidl")).json() == {"changed": 2}
    listed = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]
    assert sorted((each["merchant"], each["version"]) for each in listed) == [
        ("Lidl", 3),
        ("Lidl", 3),
        ("Lidl Paris", 1),
    ]
    events = (await client.get(f"{anna.url}/audit?entity_id={ids[0]}", headers=anna.headers)).json()["items"]
    assert sorted(each["action"] for each in events) == ["change", "change", "create"]
    assert (await client.get(f"{ben.url}/expenses/{theirs['id']}", headers=ben.headers)).json() == theirs


async def test_several_merchants_become_one_and_case_is_mended(client: httpx.AsyncClient, anna: Person) -> None:
    for name in ("Cafe", "Café", "cafe nero"):
        await record(client, anna, merchant=name)
    assert (await rename(client, anna, ["cafe", "café", "Cafe Nero"], "Cafe Nero")).json() == {"changed": 3}
    assert [each["name"] for each in await suggested(client, anna)] == ["Cafe Nero"]


async def test_what_cannot_be_a_name_is_refused(
    client: httpx.AsyncClient, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names, to in [([], "x"), (["a"], ""), (["a"], " "), (["a"], "x" * 201), (["a\0"], "x"), (["a"] * 51, "x")]:
        assert (await rename(client, anna, names, to)).status_code == 422, (names, to)
    for _ in range(2):
        await record(client, anna, merchant="Much")
    monkeypatch.setattr(service, "MOST_RENAMED", 1)
    answer = await rename(client, anna, ["much"], "x")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_expenses")
    assert [each["name"] for each in await suggested(client, anna)] == ["Much"]


async def test_suggesting_reads_little_of_a_large_workspace(at_home: Session, anna: Person, database: str) -> None:
    execute(
        database,
        "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, version, "
        "created_by, created_at, updated_at) "
        f"SELECT '{anna.workspace.id}', gen_random_uuid(), date '2016-01-01' + n / 3, n, 'EUR', "
        "CASE WHEN n % 3 > 0 THEN 'Corner Bakery' ELSE 'Shop ' || n % 500 END, '', '{}', 1, "
        f"'{anna.user.id}', now(), now() FROM generate_series(1, 6000) n",
    )
    execute(database, "VACUUM ANALYZE expense")
    for q, is_indexed in [("", False), ("b", False), ("s", False), ("zzz", True), ("hop 77", True), ("corner", True)]:
        asked = queries.merchants_like(at_home, workspace_id=anna.workspace.id, q=q, is_indexed=is_indexed, limit=10)
        assert await blocks_read(at_home, asked, "force_custom_plan") < 2_500, q
    for q, is_looked_for in [("corner", False), ("hop 77", True)]:  # frequent, rare
        asked = queries.merchants_like(at_home, workspace_id=anna.workspace.id, q=q, is_indexed=True, limit=10)
        plan = await plan_of(at_home, asked, "force_custom_plan")
        loops = [node["Actual Loops"] for node in nodes(plan) if node.get("Index Name") == "expense_search_idx"]
        assert any(loops) == is_looked_for, q
