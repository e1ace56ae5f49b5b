"""The trash: newest deletion first, emptied by those who may and by the operator's command."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.conftest import execute
from tests.ledger.recording import record
from tests.ledger.test_queries import blocks_read

from expenses.cli import cli
from expenses.ledger import bulk_queries

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, People, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


async def throw_away(client: httpx.AsyncClient, person: Person, **fields: object) -> str:
    expense_id = str((await record(client, person, **fields))["id"])
    await client.delete(f"{person.url}/expenses/{expense_id}", headers=person.headers)
    return expense_id


async def trash(client: httpx.AsyncClient, person: Person, **params: str) -> dict[str, Any]:
    answer = await client.get(f"{person.url}/trash", params=params, headers=person.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_trash_shows_the_newest_deletion_first_page_by_page(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    ids = []
    for number in range(5):
        clock.turn(timedelta(seconds=number % 2))  # some at the same moment
        ids.append(await throw_away(client, anna, spent_on=f"2026-11-{20 - number}"))
    await record(client, anna)
    seen, cursor = [], ""
    while cursor is not None:
        page = await trash(client, anna, limit="2", cursor=cursor)
        seen += page["items"]
        cursor = page["next"]
    expected = sorted(((each["deleted_at"], each["id"]) for each in seen), reverse=True)
    assert [(each["deleted_at"], each["id"]) for each in seen] == expected
    assert sorted(each["id"] for each in seen) == sorted(ids)


async def test_a_cursor_of_another_list_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for _ in range(2):
        await record(client, anna)
    listed = await client.get(f"{anna.url}/expenses?limit=1", headers=anna.headers)
    for cursor in (listed.json()["next"], "x", "A" * 43):
        answer = await client.get(f"{anna.url}/trash", params={"cursor": cursor}, headers=anna.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_what_is_restored_is_gone_from_the_trash(client: httpx.AsyncClient, anna: Person) -> None:
    expense_id = await throw_away(client, anna)
    await client.post(f"{anna.url}/expenses/{expense_id}/restore", headers=anna.headers)
    assert await trash(client, anna) == {"items": [], "next": None}


async def test_only_what_is_in_the_trash_is_deleted_for_ever_and_the_record_keeps_what_it_was(
    client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    lines = [{"category_id": None, "value": "3.00"}, {"category_id": None, "value": "0.80"}]
    living, gone = (await record(client, anna))["id"], await throw_away(client, anna, lines=lines)
    clock.turn(timedelta(seconds=1))
    assert (await client.delete(f"{anna.url}/trash/{living}", headers=anna.headers)).status_code == 404
    assert (await client.delete(f"{anna.url}/trash/{gone}", headers=anna.headers)).status_code == 204
    assert (await client.delete(f"{anna.url}/trash/{gone}", headers=anna.headers)).status_code == 404
    assert (await client.post(f"{anna.url}/expenses/{gone}/restore", headers=anna.headers)).status_code == 404
    newest = (await client.get(f"{anna.url}/audit?entity_id={gone}", headers=anna.headers)).json()["items"][0]
    assert (newest["action"], newest["before"]["merchant"], newest["after"]) == ("purge", "Corner Bakery", None)


async def test_members_may_delete_but_not_for_ever(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    gone = await throw_away(client, anna)
    assert (await client.delete(f"{anna.url}/trash/{gone}", headers=ben.headers)).status_code == 403
    assert len((await trash(client, anna))["items"]) == 1


async def test_the_command_deletes_what_has_been_in_the_trash_for_longer_and_nothing_else(
    client: httpx.AsyncClient, anna: Person, people: People, database: str
) -> None:
    ben = await people.sign_up()
    old = [await throw_away(client, anna), await throw_away(client, ben)]
    fresh, living = await throw_away(client, anna), (await record(client, anna))["id"]
    ids = ", ".join(f"'{each}'" for each in old)
    execute(database, f"UPDATE expense SET deleted_at = now() - interval '31 days' WHERE id IN ({ids})")
    execute(database, f"UPDATE expense SET deleted_at = now() - interval '29 days' WHERE id = '{fresh}'")
    answers = [await command(database, "purge-trash") for _ in range(2)]
    assert answers == [
        "Deleted 2 expenses that had been in the trash for 30 days\n",
        "Deleted 0 expenses that had been in the trash for 30 days\n",
    ]
    assert [each["id"] for each in (await trash(client, anna))["items"]] == [fresh]
    newest = (await client.get(f"{anna.url}/audit?entity_id={old[0]}", headers=anna.headers)).json()["items"][0]
    assert (newest["action"], newest["actor_id"]) == ("purge", None)
    assert (await client.get(f"{anna.url}/expenses/{living}", headers=anna.headers)).status_code == 200
    assert await command(database, "purge-trash", "--older-than", "0") == (
        "Deleted 1 expense that had been in the trash for 0 days\n"
    )


async def command(database: str, *arguments: str) -> str:
    run = CliRunner().invoke
    result = await asyncio.to_thread(run, cli, list(arguments), env={"DATABASE_URL": database})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("plan_mode", ["force_custom_plan", "force_generic_plan"])
async def test_the_trash_reads_nothing_but_what_is_in_it(
    at_home: Session, anna: Person, database: str, plan_mode: str
) -> None:
    execute(
        database,
        "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, version, "
        "created_by, created_at, updated_at, deleted_at) "
        f"SELECT '{anna.workspace.id}', gen_random_uuid(), '2026-01-01', n, 'EUR', 'Shop', '', '{{}}', 1, "
        f"'{anna.user.id}', now(), now(), CASE WHEN n % 5 = 0 THEN now() - n * interval '1 minute' END "
        "FROM generate_series(1, 5000) n",
    )
    execute(database, "VACUUM ANALYZE expense")
    asked = bulk_queries.trash_on_page(at_home, workspace_id=anna.workspace.id, after=None, limit=51)
    assert await blocks_read(at_home, asked, plan_mode) < 60
