"""Many expenses at once: all or none, every refusal named, every change on record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.ledger.recording import category_ids, record

from expenses.ledger.bulk import MOST_AT_ONCE

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


async def bulk(
    client: httpx.AsyncClient, person: Person, ids: list[str], action: str, **change: object
) -> httpx.Response:
    body: dict[str, Any] = {"expenses": [{"id": each} for each in ids], "action": action}
    if change:
        body["change"] = change
    return await client.post(f"{person.url}/expenses/bulk", json=body, headers=person.headers)


async def shown(client: httpx.AsyncClient, person: Person, expense_id: str) -> dict[str, Any]:
    answer = await client.get(f"{person.url}/expenses/{expense_id}", headers=person.headers)
    found: dict[str, Any] = answer.json()
    return found


async def events(client: httpx.AsyncClient, person: Person, expense_id: str) -> list[str]:
    answer = await client.get(f"{person.url}/audit?entity_id={expense_id}", headers=person.headers)
    return sorted(each["action"] for each in answer.json()["items"])


async def test_every_field_is_changed_on_all_of_them_and_put_on_record(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    fuel = (await category_ids(client, anna))["Fuel"]
    account = await client.post(f"{anna.url}/payment-accounts", json={"name": "Card"}, headers=anna.headers)
    ids = [(await record(client, anna, tags=tags))["id"] for tags in (["a", "b"], ["b"], [])]
    wanted = {
        "merchant": "Garage",
        "category_id": fuel,
        "payer_id": str(ben.user.id),
        "account_id": account.json()["id"],
    }
    answer = await bulk(client, anna, ids, "change", **wanted, add_tags=["c", "a"], remove_tags=["b"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == [{"id": each, "version": 2, "changed": True} for each in ids]
    for expense_id, tags in zip(ids, (["a", "c"], ["c", "a"], ["c", "a"]), strict=True):
        found = await shown(client, anna, expense_id)
        assert {name: found[name] for name in wanted} == wanted
        assert (found["tags"], found["version"]) == (tags, 2)
        assert await events(client, anna, expense_id) == ["change", "create"]


async def test_a_second_time_changes_nothing_more(client: httpx.AsyncClient, anna: Person) -> None:
    ids = [(await record(client, anna))["id"] for _ in range(2)]
    for action, change in [("change", {"add_tags": ["x"]}), ("delete", {}), ("restore", {})]:
        first = await bulk(client, anna, ids, action, **change)
        again = await bulk(client, anna, ids, action, **change)
        assert [each["changed"] for each in first.json()["items"]] == [True, True], action
        assert [each["changed"] for each in again.json()["items"]] == [False, False], action
        assert [each["version"] for each in again.json()["items"]] == [
            each["version"] for each in first.json()["items"]
        ]
    assert await events(client, anna, ids[0]) == ["change", "create", "delete", "restore"]


async def test_one_that_cannot_be_changed_stops_all_and_each_is_named(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    fine = await record(client, anna, tags=[])
    theirs = await record(client, ben)
    gone = await record(client, anna)
    await client.delete(f"{anna.url}/expenses/{gone['id']}", headers=anna.headers)
    full = await record(client, anna, tags=[str(number) for number in range(20)])
    lines = [{"category_id": None, "value": "3.00"}, {"category_id": None, "value": "0.80"}]
    lined = await record(client, anna, lines=lines)
    fuel = (await category_ids(client, anna))["Fuel"]
    ids = [fine["id"], theirs["id"], gone["id"], full["id"], lined["id"], str(uuid4()), fine["id"]]
    answer = await bulk(client, anna, ids, "change", add_tags=["one more"], category_id=fuel)
    assert (answer.status_code, answer.json()["code"]) == (409, "bulk_refused")
    faults = {each["field"]: each["detail"] for each in answer.json()["errors"]}
    assert faults.keys() == {f"expenses.{place}" for place in (1, 2, 3, 4, 5, 6)}
    assert faults["expenses.1"] == faults["expenses.5"] == "There is no such expense."
    assert "trash" in faults["expenses.2"]
    assert "At most 20 tags" in faults["expenses.3"]
    assert "twice" in faults["expenses.6"]
    assert (await shown(client, anna, fine["id"]))["version"] == 1


async def test_a_version_that_is_no_longer_current_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    one, other = await record(client, anna), await record(client, anna)
    body = {"expenses": [{"id": one["id"], "version": 1}, {"id": other["id"], "version": 2}], "action": "delete"}
    answer = await client.post(f"{anna.url}/expenses/bulk", json=body, headers=anna.headers)
    assert answer.status_code == 409
    assert [each["field"] for each in answer.json()["errors"]] == ["expenses.1"]
    assert "version 1, not 2" in answer.text
    body["expenses"][1]["version"] = 1  # type: ignore[index]  # it is a list of objects
    assert (await client.post(f"{anna.url}/expenses/bulk", json=body, headers=anna.headers)).status_code == 200


async def test_what_cannot_be_chosen_is_refused_by_name(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    expense = await record(client, anna)
    theirs = (await category_ids(client, ben))["Fuel"]
    for change, code in [
        ({"category_id": theirs}, "unknown_category"),
        ({"payer_id": str(ben.user.id)}, "unknown_payer"),
        ({"account_id": str(uuid4())}, "unknown_account"),
    ]:
        answer = await bulk(client, anna, [expense["id"]], "change", **change)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    for body in (
        {"expenses": [], "action": "delete"},
        {"expenses": [{"id": expense["id"]}] * (MOST_AT_ONCE + 1), "action": "delete"},
        {"expenses": [{"id": expense["id"]}], "action": "change"},
        {"expenses": [{"id": expense["id"]}], "action": "delete", "change": {"merchant": "x"}},
        {"expenses": [{"id": expense["id"]}], "action": "explode"},
        {"expenses": [{"id": expense["id"]}], "action": "change", "change": {"merchant": ""}},
        {"expenses": [{"id": expense["id"]}], "action": "change", "change": {"amount": "1"}},
        {"expenses": [{"id": expense["id"], "version": 10**12}], "action": "delete"},
    ):
        answer = await client.post(f"{anna.url}/expenses/bulk", json=body, headers=anna.headers)
        assert answer.status_code == 422, body
    assert (await shown(client, anna, expense["id"]))["version"] == 1


async def test_two_at_once_on_the_same_expenses_do_not_block_each_other_for_good(
    client: httpx.AsyncClient, anna: Person
) -> None:
    ids = [(await record(client, anna, tags=[]))["id"] for _ in range(8)]
    answers = await asyncio.gather(
        *(bulk(client, anna, order, "change", add_tags=[tag]) for tag, order in [("x", ids), ("y", ids[::-1])] * 3)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert {tuple(sorted((await shown(client, anna, each))["tags"])) for each in ids} == {("x", "y")}
