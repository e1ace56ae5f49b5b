"""Payment accounts: made, changed, archived, chosen for expenses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.recording import COFFEE, record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

CARD = {"name": "Joint card", "kind": "card", "currency": "EUR"}


async def made(client: httpx.AsyncClient, person: Person, **changed: object) -> dict[str, Any]:
    answer = await client.post(f"{person.url}/payment-accounts", json=CARD | changed, headers=person.headers)
    assert answer.status_code == 201, answer.text
    account: dict[str, Any] = answer.json()
    return account


async def test_accounts_are_listed_by_name_and_archived_ones_only_on_request(
    client: httpx.AsyncClient, anna: Person
) -> None:
    card, purse = await made(client, anna), await made(client, anna, name="A purse", kind="cash", currency=None)
    url = f"{anna.url}/payment-accounts"
    assert (await client.get(url, headers=anna.headers)).json()["items"] == [purse, card]
    assert (await client.delete(f"{url}/{purse['id']}", headers=anna.headers)).status_code == 204
    assert (await client.get(url, headers=anna.headers)).json()["items"] == [card]
    everything = (await client.get(f"{url}?archived=true", headers=anna.headers)).json()["items"]
    assert everything == [purse | {"is_archived": True}, card]
    assert (await client.patch(f"{url}/{purse['id']}", json={"name": "x"}, headers=anna.headers)).status_code == 404
    assert (await client.delete(f"{url}/{purse['id']}", headers=anna.headers)).status_code == 404
    await made(client, anna, name="A purse")  # its name is free again


async def test_a_change_says_only_what_is_different_and_is_on_record(client: httpx.AsyncClient, anna: Person) -> None:
    card = await made(client, anna)
    url = f"{anna.url}/payment-accounts/{card['id']}"
    renamed = (await client.patch(url, json={"name": " Our card "}, headers=anna.headers)).json()
    assert renamed == card | {"name": "Our card"}
    any_currency = (await client.patch(url, json={"currency": None, "kind": "bank"}, headers=anna.headers)).json()
    assert any_currency == renamed | {"currency": None, "kind": "bank"}
    await client.delete(url, headers=anna.headers)
    events = await client.get(f"{anna.url}/audit", params={"entity_id": card["id"]}, headers=anna.headers)
    seen = sorted((each["entity"], each["action"]) for each in events.json()["items"])
    assert seen == [("payment_account", action) for action in ("archive", "change", "change", "create")]


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"name": "   "}, 422, "invalid_account"),
        ({"name": "a\0b"}, 422, "invalid_account"),
        ({"name": "x" * 101}, 422, "malformed"),
        ({"kind": "purse"}, 422, "malformed"),
        ({"currency": "eur"}, 422, "unknown_currency"),
        ({"currency": "DEM"}, 422, "withdrawn_currency"),
        ({"balance": "1"}, 422, "malformed"),
        ({"name": "Taken"}, 409, "account_exists"),
        ({"name": "TAKEN"}, 409, "account_exists"),
    ],
)
async def test_an_account_that_cannot_be_is_refused(
    client: httpx.AsyncClient, anna: Person, *, wrong: dict[str, Any], status: int, code: str
) -> None:
    card = await made(client, anna)
    await made(client, anna, name="Taken")
    url = f"{anna.url}/payment-accounts"
    for answer in (
        await client.post(url, json={"name": "New"} | wrong, headers=anna.headers),
        await client.patch(f"{url}/{card['id']}", json=wrong, headers=anna.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_expense_says_from_which_account_it_was_paid(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    card = await made(client, anna)
    expense = await record(client, anna, account_id=card["id"])
    assert expense["account_id"] == card["id"]
    url = f"{anna.url}/expenses/{expense['id']}"
    await client.delete(f"{anna.url}/payment-accounts/{card['id']}", headers=anna.headers)
    kept = await client.patch(url, json={"note": "x", "account_id": card["id"]}, headers=anna.headers)
    assert kept.json()["account_id"] == card["id"]
    assert (await client.patch(url, json={"account_id": None}, headers=anna.headers)).json()["account_id"] is None
    theirs = await made(client, await people.sign_up())
    for other in (card["id"], theirs["id"], str(anna.user.id)):
        for answer in (
            await client.patch(url, json={"account_id": other}, headers=anna.headers),
            await client.post(f"{anna.url}/expenses", json=COFFEE | {"account_id": other}, headers=anna.headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "unknown_account")
