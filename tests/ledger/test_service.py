"""What only shows when two write at once, or when a write fails: races and the record of changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2
import pytest
from tests.conftest import execute
from tests.ledger.recording import COFFEE, category_ids, record

from expenses.ledger import service
from expenses.ledger.categories import CategoryChange, CategoryDraft

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import httpx
    from tests.people import Clock, People, Person

    from expenses.db import Session

T = TypeVar("T")

pytestmark = pytest.mark.anyio


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


async def history(client: httpx.AsyncClient, person: Person, entity_id: str) -> list[dict[str, Any]]:
    url = f"{person.url}/audit"
    answer = await client.get(url, params={"entity_id": entity_id}, headers=person.headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def at_once(database: str, lock: str, *work: Awaitable[T]) -> list[T]:
    """Run these while another transaction holds a lock they all need, and let go when all of them wait for it."""
    holder = psycopg2.connect(database)
    try:
        holder.cursor().execute(lock)
        tasks = [asyncio.ensure_future(each) for each in work]
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        for _ in range(500):
            if rows(database, waiting) == [(len(tasks),)]:
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("not all of them came to wait for the lock")
        holder.rollback()
        return await asyncio.gather(*tasks)
    finally:
        holder.close()


async def test_of_two_changes_to_the_same_version_one_wins(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    headers = anna.headers | {"If-Match": '"1"'}
    answers = await at_once(
        database,
        "SELECT 1 FROM expense FOR UPDATE",
        client.patch(url, json={"note": "first"}, headers=headers),
        client.patch(url, json={"note": "second"}, headers=headers),
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 1}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await client.get(url, headers=anna.headers)).json() == winner
    assert winner["version"] == 2
    afters = [each["after"] for each in await history(client, anna, expense["id"])]
    assert sorted(afters, key=lambda each: each["version"]) == [expense, winner]


async def test_a_change_and_a_deletion_of_the_same_version_cannot_both_be(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    headers = anna.headers | {"If-Match": '"1"'}
    answers = await at_once(
        database,
        "SELECT 1 FROM expense FOR UPDATE",
        client.patch(url, json={"note": "first"}, headers=headers),
        client.delete(url, headers=headers),
    )
    assert [answer.status_code for answer in answers] in ([200, 412], [404, 204])


async def test_changes_without_a_version_are_all_made_one_after_another(
    client: httpx.AsyncClient, anna: Person
) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    changes = [client.patch(url, json={"note": str(number)}, headers=anna.headers) for number in range(6)]
    answers = await asyncio.gather(*changes)
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6, 7]
    events = await history(client, anna, expense["id"])
    chain = sorted(events, key=lambda each: each["after"]["version"])
    for earlier, later in pairwise(chain):
        assert later["before"] == earlier["after"]


async def test_every_write_is_on_record_as_it_was_and_as_it_is(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    first = await record(client, anna)
    url = f"{anna.url}/expenses/{first['id']}"
    states = [first]
    for method, path, body in [
        ("PATCH", url, {"amount": {"value": "4.00", "currency": "CHF"}}),
        ("DELETE", url, None),
        ("POST", f"{url}/restore", None),
    ]:
        clock.turn(timedelta(minutes=1))
        answer = await client.request(method, path, json=body, headers=anna.headers)
        assert answer.status_code in {200, 204}
        states.append(answer.json() if answer.content else states[-1] | {"version": states[-1]["version"] + 1})
    events = list(reversed(await history(client, anna, first["id"])))
    assert [each["action"] for each in events] == ["create", "change", "delete", "restore"]
    assert [each["after"] for each in events] == states
    assert [each["before"] for each in events] == [None, *states[:-1]]
    assert {each["actor_id"] for each in events} == {str(anna.user.id)}
    assert [each["at"] for each in events] == sorted({each["at"] for each in events})


async def test_a_write_that_cannot_be_recorded_does_not_happen(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    expense = await record(client, anna)
    ids = await category_ids(client, anna)
    before = rows(database, "SELECT * FROM expense"), rows(database, "SELECT * FROM category ORDER BY id")
    execute(database, "ALTER TABLE audit_event ADD CHECK (false) NOT VALID")
    url = f"{anna.url}/expenses/{expense['id']}"
    for method, path, body in [
        ("POST", f"{anna.url}/expenses", COFFEE),
        ("PATCH", url, {"note": "x"}),
        ("DELETE", url, None),
        ("POST", f"{anna.url}/categories", {"name": "x"}),
        ("PATCH", f"{anna.url}/categories/{ids['Fuel']}", {"name": "x"}),
        ("DELETE", f"{anna.url}/categories/{ids['Fuel']}", None),
    ]:
        with pytest.raises(Exception, match="audit_event"):
            await client.request(method, path, json=body, headers=anna.headers)
    assert (rows(database, "SELECT * FROM expense"), rows(database, "SELECT * FROM category ORDER BY id")) == before
    assert (await client.get(url, headers=anna.headers)).json() == expense


async def test_what_was_refused_is_not_on_record(client: httpx.AsyncClient, anna: Person, database: str) -> None:
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    await client.patch(url, json={"note": "x"}, headers=anna.headers | {"If-Match": '"9"'})
    await client.patch(url, json={"category_id": expense["id"]}, headers=anna.headers)
    await client.patch(url, json={}, headers=anna.headers)
    await client.post(f"{anna.url}/expenses", json=COFFEE | {"category_id": expense["id"]}, headers=anna.headers)
    assert len(await history(client, anna, expense["id"])) == 1
    assert rows(database, "SELECT count(*) FROM audit_event WHERE entity = 'expense'") == [(1,)]


async def test_only_owner_and_admin_see_the_record(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    await record(client, anna)
    for role, status in [("admin", 200), ("member", 403), ("viewer", 403), (None, 404)]:
        ben = await people.sign_up()
        if role:
            await people.join(ben, anna.workspace, role)  # type: ignore[arg-type]  # mypy sees a plain str
        assert (await client.get(f"{anna.url}/audit", headers=ben.headers)).status_code == status


async def test_the_record_has_pages(client: httpx.AsyncClient, anna: Person) -> None:
    made = [(await record(client, anna))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await client.get(f"{anna.url}/audit", params={"limit": 2, "cursor": cursor}, headers=anna.headers)
        seen += [each["entity_id"] for each in answer.json()["items"]]
        cursor = answer.json()["next"]
    assert sorted(seen) == sorted(made)
    answer = await client.get(f"{anna.url}/audit", params={"cursor": "AAAA"}, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_any_number_of_first_visitors_make_one_set_of_categories(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    url = f"{anna.url}/categories"
    answers = await at_once(
        database,
        "LOCK TABLE category IN SHARE ROW EXCLUSIVE MODE",
        *(client.get(url, headers=anna.headers) for _ in range(4)),
        client.post(url, json={"name": "Mine"}, headers=anna.headers),
    )
    assert {answer.status_code for answer in answers} == {200, 201}
    assert len({answer.text for answer in answers[:4]}) <= 2  # with or without the one that was added
    names = [row[0] for row in rows(database, "SELECT name FROM category")]
    assert len(names) == len(set(names))
    assert {"Mine", "Groceries", "Fuel"} <= set(names)
    created = rows(database, "SELECT count(*), count(actor_id) FROM audit_event WHERE entity = 'category'")
    assert created == [(len(names), 1)]


async def test_two_moves_that_are_right_alone_make_no_third_level_together(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    ids = await category_ids(client, anna)
    clothing, groceries = ids["Clothing"], ids["Groceries"]

    async def move(what: str, below: str) -> int:
        url = f"{anna.url}/categories/{what}"
        return (await client.patch(url, json={"parent_id": below}, headers=anna.headers)).status_code

    lock = "SELECT 1 FROM workspace FOR UPDATE"
    assert sorted(await at_once(database, lock, move(clothing, groceries), move(groceries, clothing))) == [200, 422]
    levels = "SELECT count(*) FROM category c JOIN category p ON p.id = c.parent_id WHERE p.parent_id IS NOT NULL"
    assert rows(database, levels) == [(0,)]


async def test_of_two_categories_with_one_name_one_is_made(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    await category_ids(client, anna)
    adding = [
        client.post(f"{anna.url}/categories", json={"name": name}, headers=anna.headers) for name in ("Pets", "PETS")
    ]
    answers = await at_once(database, "SELECT 1 FROM workspace FOR UPDATE", *adding)
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_workspace_that_uses_no_category_gets_no_second_set(
    session: Session, anna: Person, clock: Clock
) -> None:
    home: dict[str, Any] = {"actor": anna.actor, "workspace_id": anna.workspace.id}
    for each in await service.list_categories(session, **home):
        if each.parent_id is None:
            await service.archive_category(session, **home, category_id=each.id, now=clock())
    assert await service.list_categories(session, **home) == []
    added = await service.add_category(session, **home, draft=CategoryDraft("Groceries"), now=clock())
    change = CategoryChange(name="Food")
    changed = await service.change_category(session, **home, category_id=added.id, change=change, now=clock())
    assert await service.list_categories(session, **home) == [changed]
