"""Who owes whom, through the API: what counts, what does not, and payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import execute
from tests.ledger.recording import record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ben(people: People, anna: Person) -> Person:
    """Somebody else in Anna's workspace."""
    ben = await people.sign_up("ben@example.org", "Ben")
    await people.join(ben, anna.workspace, "member")
    return ben


@pytest.fixture
async def cleo(people: People, anna: Person) -> Person:
    """A third one."""
    cleo = await people.sign_up("cleo@example.org", "Cleo")
    await people.join(cleo, anna.workspace, "member")
    return cleo


async def shared(
    client: httpx.AsyncClient, payer: Person, value: str, *among: Person, currency: str = "EUR"
) -> dict[str, Any]:
    split = {"mode": "even", "among": [str(each.user.id) for each in among]}
    home = among[0]
    amount = {"value": value, "currency": currency}
    return await record(client, home, amount=amount, payer_id=str(payer.user.id), split=split)


async def balances(client: httpx.AsyncClient, anna: Person) -> dict[str, dict[str, str]]:
    answer = await client.get(f"{anna.url}/balances", headers=anna.headers)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    for each in items:
        minors = [int(balance["value"].replace(".", "")) for balance in each["balances"]]
        assert sum(minors) == 0
        assert 0 not in minors
    return {item["currency"]: {each["user_id"]: each["value"] for each in item["balances"]} for item in items}


def payment(giver: Person, taker: Person, value: str, currency: str = "EUR") -> dict[str, Any]:
    amount = {"value": value, "currency": currency}
    ids = {"from_user_id": str(giver.user.id), "to_user_id": str(taker.user.id)}
    return ids | {"amount": amount, "paid_on": "2026-11-22", "note": "bank"}


async def test_balances_are_what_was_paid_for_others_by_currency(
    client: httpx.AsyncClient, anna: Person, ben: Person, cleo: Person
) -> None:
    assert await balances(client, anna) == {}
    await shared(client, anna, "30.00", anna, ben, cleo)
    await shared(client, ben, "-6.00", anna, ben)  # a refund that Ben got
    await shared(client, cleo, "1000", anna, ben, currency="JPY")
    await record(client, anna)  # shared with nobody
    assert await balances(client, anna) == {
        "EUR": {str(anna.user.id): "23.00", str(ben.user.id): "-13.00", str(cleo.user.id): "-10.00"},
        "JPY": {str(anna.user.id): "-500", str(ben.user.id): "-500", str(cleo.user.id): "1000"},
    }


async def test_trash_restoration_and_changes_count_at_once(
    client: httpx.AsyncClient, anna: Person, ben: Person
) -> None:
    expense = await shared(client, anna, "10.01", anna, ben)
    url = f"{anna.url}/expenses/{expense['id']}"
    before = await balances(client, anna)
    assert before["EUR"][str(anna.user.id)] in {"5.00", "5.01"}
    await client.delete(url, headers=anna.headers)
    assert await balances(client, anna) == {}
    await client.post(f"{url}/restore", headers=anna.headers)
    assert await balances(client, anna) == before
    await client.patch(url, json={"payer_id": str(ben.user.id)}, headers=anna.headers)
    assert (await balances(client, anna))["EUR"][str(anna.user.id)].startswith("-5.0")
    await client.patch(url, json={"split": None}, headers=anna.headers)
    assert await balances(client, anna) == {}


async def test_paying_one_suggestion_leaves_the_others(
    client: httpx.AsyncClient, anna: Person, ben: Person, cleo: Person
) -> None:
    await shared(client, anna, "30.00", anna, ben, cleo)
    answer = await client.get(f"{anna.url}/balances", headers=ben.headers)
    (group,) = answer.json()["items"]
    assert len(group["suggestions"]) == 2
    first, other = group["suggestions"]
    body = {name: first[name] for name in ("from_user_id", "to_user_id")}
    body |= {"amount": {"value": first["value"], "currency": "EUR"}, "paid_on": "2026-11-22"}
    made = await client.post(f"{anna.url}/settlements", json=body, headers=ben.headers)
    assert (made.status_code, made.json()["amount"]) == (201, body["amount"])
    (group,) = (await client.get(f"{anna.url}/balances", headers=ben.headers)).json()["items"]
    assert group["suggestions"] == [other]


async def test_a_payment_is_listed_shown_taken_back_and_on_record(
    client: httpx.AsyncClient, anna: Person, ben: Person
) -> None:
    url = f"{anna.url}/settlements"
    answer = await client.post(url, json=payment(ben, anna, "5.00"), headers=anna.headers)
    made = answer.json()
    assert made == payment(ben, anna, "5.00") | {"id": made["id"]}
    other = (await client.post(url, json=payment(anna, ben, "1", "JPY"), headers=anna.headers)).json()
    first = (await client.get(url, params={"limit": 1}, headers=ben.headers)).json()
    rest = (await client.get(url, params={"limit": 1, "cursor": first["next"]}, headers=ben.headers)).json()
    assert sorted([*first["items"], *rest["items"]], key=str) == sorted([made, other], key=str)
    assert rest["next"] is None
    assert (await client.get(answer.headers["Location"], headers=ben.headers)).json() == made
    assert (await balances(client, anna))["EUR"] == {str(anna.user.id): "-5.00", str(ben.user.id): "5.00"}
    assert (await client.delete(answer.headers["Location"], headers=ben.headers)).status_code == 204
    assert (await client.delete(answer.headers["Location"], headers=ben.headers)).status_code == 404
    assert "EUR" not in await balances(client, anna)
    audit = await client.get(f"{anna.url}/audit", params={"entity_id": made["id"]}, headers=anna.headers)
    events = sorted(audit.json()["items"], key=lambda each: each["action"])
    assert [(each["before"], each["after"]) for each in events] == [(None, made), (made, None)]


async def test_who_has_left_can_still_pay_what_they_owe(
    client: httpx.AsyncClient, anna: Person, ben: Person, database: str
) -> None:
    await shared(client, anna, "10.00", anna, ben)
    assert (await client.delete(f"{anna.url}/members/{ben.user.id}", headers=anna.headers)).status_code == 204
    made = await client.post(f"{anna.url}/settlements", json=payment(ben, anna, "5.00"), headers=anna.headers)
    assert made.status_code == 201
    assert await balances(client, anna) == {}
    execute(database, "DELETE FROM former_member")
    refused = await client.post(f"{anna.url}/settlements", json=payment(ben, anna, "5.00"), headers=anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_person")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"amount": {"value": "0", "currency": "EUR"}}, "invalid_settlement"),
        ({"amount": {"value": "-5", "currency": "EUR"}}, "invalid_settlement"),
        ({"amount": {"value": "5.001", "currency": "EUR"}}, "invalid_amount"),
        ({"paid_on": "0026-01-01"}, "day_out_of_range"),
        ({"note": "a\0"}, "invalid_text"),
        ({"to_user_id": "00000000-0000-0000-0000-000000000001"}, "unknown_person"),
        ({"paid": True}, "malformed"),
    ],
)
async def test_a_payment_that_cannot_be_is_refused(
    client: httpx.AsyncClient, anna: Person, ben: Person, *, wrong: dict[str, Any], code: str
) -> None:
    body = payment(anna, ben, "5.00") | wrong
    answer = await client.post(f"{anna.url}/settlements", json=body, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_balances_are_of_one_workspace_only(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    dora = await people.sign_up()
    await shared(client, dora, "10.00", dora)
    made = await client.get(f"{dora.url}/balances", headers=dora.headers)
    assert made.json()["items"] == []  # she bears all of it herself
    assert (await client.get(f"{dora.url}/balances", headers=anna.headers)).status_code == 404
