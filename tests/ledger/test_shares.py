"""Expenses that are divided among members: through the API, and what the database itself keeps."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from tests.conftest import execute
from tests.ledger.recording import COFFEE, record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

TEN = {"value": "10.00", "currency": "EUR"}


@pytest.fixture
async def ben(people: People, anna: Person) -> Person:
    """Somebody else in Anna's workspace."""
    ben = await people.sign_up("ben@example.org", "Ben")
    await people.join(ben, anna.workspace, "member")
    return ben


def even(*people: Person) -> dict[str, Any]:
    return {"mode": "even", "among": sorted(str(each.user.id) for each in people)}


def exact(**values: str) -> dict[str, Any]:
    return {"mode": "exact", "shares": [{"user_id": who, "value": value} for who, value in sorted(values.items())]}


def minors(expense: dict[str, Any]) -> list[int]:
    return [int(share["value"].replace(".", "")) for share in expense["shares"]]


@pytest.mark.parametrize(
    ("value", "currency"), [("10.01", "EUR"), ("-0.01", "EUR"), ("1000000000000000", "JPY"), ("-0.007", "KWD")]
)
async def test_a_split_is_stored_with_what_it_comes_to_and_divides_anew_with_the_amount(
    client: httpx.AsyncClient, anna: Person, ben: Person, *, value: str, currency: str
) -> None:
    weights = [{"user_id": str(each.user.id), "weight": weight} for each, weight in ((anna, 2), (ben, 1))]
    split = {"mode": "weights", "weights": sorted(weights, key=lambda each: str(each["user_id"]))}
    expense = await record(client, anna, amount={"value": value, "currency": currency}, split=split)
    url = f"{anna.url}/expenses/{expense['id']}"
    assert expense["split"] == split
    assert sum(minors(expense)) == int(value.replace(".", ""))
    assert (await client.get(url, headers=ben.headers)).json() == expense
    assert (await client.get(f"{anna.url}/expenses", headers=ben.headers)).json()["items"] == [expense]
    changed = (await client.patch(url, json={"amount": TEN}, headers=ben.headers)).json()
    assert (changed["split"], sum(minors(changed))) == (split, 1000)
    assert (await client.get(url, headers=anna.headers)).json() == changed


async def test_exact_shares_are_kept_as_they_were_written(client: httpx.AsyncClient, anna: Person, ben: Person) -> None:
    split = exact(**{str(anna.user.id): "12.00", str(ben.user.id): "-2.00"})
    expense = await record(client, anna, amount=TEN, split=split)
    assert (expense["split"], expense["shares"]) == (split, split["shares"])
    url = f"{anna.url}/expenses/{expense['id']}"
    more = {"value": "10.01", "currency": "EUR"}
    refused = await client.patch(url, json={"amount": more}, headers=anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "shares_do_not_add_up")
    assert "0.01 less" in refused.json()["detail"]
    evenly = await client.patch(url, json={"amount": more, "split": even(anna, ben)}, headers=anna.headers)
    assert sorted(minors(evenly.json())) == [500, 501]


async def test_lines_and_shares_go_through_every_change_trash_and_record(
    client: httpx.AsyncClient, anna: Person, ben: Person
) -> None:
    lines = [{"value": "7.00"}, {"value": "3.00"}]
    expense = await record(client, anna, amount=TEN, split=even(anna, ben), lines=lines)
    url = f"{anna.url}/expenses/{expense['id']}"
    alone = (await client.patch(url, json={"split": None}, headers=anna.headers)).json()
    assert (alone["split"], alone["shares"], alone["lines"]) == (None, [], expense["lines"])
    again = (await client.patch(url, json={"split": even(ben)}, headers=anna.headers)).json()
    assert again["shares"] == [{"user_id": str(ben.user.id), "value": "10.00"}]
    assert (await client.patch(url, json={"split": even(ben)}, headers=anna.headers)).json() == again
    await client.delete(url, headers=anna.headers)
    back = (await client.post(f"{url}/restore", headers=anna.headers)).json()
    assert back == again | {"version": 5}
    audit = await client.get(f"{anna.url}/audit", params={"entity_id": expense["id"]}, headers=anna.headers)
    afters = sorted((each["after"] for each in audit.json()["items"]), key=lambda each: each["version"])
    assert [afters[0], afters[1], afters[2], afters[4]] == [expense, alone, again, back]


async def test_only_members_can_be_newly_named_but_who_has_left_may_stay(
    client: httpx.AsyncClient, anna: Person, ben: Person, people: People, database: str
) -> None:
    stranger = await people.sign_up()
    body = COFFEE | {"split": even(anna, stranger)}
    answer = await client.post(f"{anna.url}/expenses", json=body, headers=anna.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_member")
    expense = await record(client, anna, split=even(anna, ben))
    execute(database, f"DELETE FROM membership WHERE user_id = '{ben.user.id}' AND role = 'member'")
    url = f"{anna.url}/expenses/{expense['id']}"
    kept = await client.patch(url, json={"amount": TEN}, headers=anna.headers)
    assert minors(kept.json()) == [500, 500]
    answer = await client.post(f"{anna.url}/expenses", json=COFFEE | {"split": even(ben)}, headers=anna.headers)
    assert answer.json()["code"] == "unknown_member"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"split": {"mode": "even", "among": []}}, "malformed"),
        ({"split": {"mode": "even", "among": ["ANNA", "ANNA"]}}, "invalid_split"),
        ({"split": {"mode": "even"}}, "malformed"),
        ({"split": {"mode": "fair", "among": ["ANNA"]}}, "malformed"),
        ({"split": {"mode": "weights", "weights": [{"user_id": "ANNA", "weight": 0}]}}, "malformed"),
        ({"split": {"mode": "weights", "weights": [{"user_id": "ANNA", "weight": 1.5}]}}, "malformed"),
        ({"split": {"mode": "exact", "shares": [{"user_id": "ANNA", "value": "3.79"}]}}, "shares_do_not_add_up"),
        ({"split": {"mode": "exact", "shares": [{"user_id": "ANNA", "value": "3.800"}]}}, "invalid_amount"),
        ({"split": {"mode": "even", "among": ["ANNA"]}, "payer_id": None}, "invalid_split"),
        ({"split": "even"}, "malformed"),
    ],
)
async def test_a_split_that_cannot_be_is_refused(
    client: httpx.AsyncClient, anna: Person, *, wrong: dict[str, Any], code: str
) -> None:
    body = json.loads(json.dumps(wrong).replace("ANNA", str(anna.user.id)))
    expense = await record(client, anna)
    for answer in (
        await client.post(f"{anna.url}/expenses", json=COFFEE | body, headers=anna.headers),
        await client.patch(f"{anna.url}/expenses/{expense['id']}", json=body, headers=anna.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_whoever_paid_what_is_divided_cannot_be_taken_away(
    client: httpx.AsyncClient, anna: Person, ben: Person
) -> None:
    expense = await record(client, anna, split=even(anna, ben))
    url = f"{anna.url}/expenses/{expense['id']}"
    refused = await client.patch(url, json={"payer_id": None}, headers=anna.headers)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "payer_id")


WRONG = [
    "UPDATE expense_share SET amount_minor = amount_minor + 1",
    "DELETE FROM expense_share WHERE user_id = '{ben}'",
    "DELETE FROM expense_share",
    "UPDATE expense SET amount_minor = 1001",
    "UPDATE expense SET split_mode = NULL",
    "UPDATE expense SET split_mode = 'exact'",
    "UPDATE expense SET split_mode = 'unfair'",
    "UPDATE expense SET payer_id = NULL",
    "UPDATE expense_share SET weight = NULL",
    "UPDATE expense_share SET weight = 0",
    "UPDATE expense_share SET expense_id = gen_random_uuid()",
]


async def test_the_database_itself_keeps_shares_to_the_amount(
    client: httpx.AsyncClient, anna: Person, ben: Person, database: str
) -> None:
    await record(client, anna, amount=TEN, split=even(anna, ben))
    connection = psycopg2.connect(database)
    try:
        for statement in WRONG:
            with pytest.raises(psycopg2.errors.CheckViolation), connection:
                connection.cursor().execute(statement.format(ben=ben.user.id))
        with connection:
            cursor = connection.cursor()
            cursor.execute("UPDATE expense_share SET amount_minor = 2 * amount_minor")
            cursor.execute("UPDATE expense SET amount_minor = 2 * amount_minor")
        with connection:
            connection.cursor().execute("DELETE FROM expense_share; UPDATE expense SET split_mode = NULL")
    finally:
        connection.close()


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
async def test_two_who_take_somebody_out_at_once_cannot_leave_nobody(
    client: httpx.AsyncClient, anna: Person, ben: Person, database: str, *, isolation: str
) -> None:
    """Each sees the other's share still there: write skew, if the second did not have to look again."""
    await record(client, anna, amount={"value": "0", "currency": "EUR"}, split=even(anna, ben))
    first, second = psycopg2.connect(database), psycopg2.connect(database)

    def take_out(gone: Person) -> None:
        """The second one waits for the first, who has locked the expense."""
        second.cursor().execute(f"DELETE FROM expense_share WHERE user_id = '{gone.user.id}'")
        second.commit()

    try:
        for connection in (first, second):
            connection.cursor().execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}; SELECT FROM expense_share")
        first.cursor().execute(f"DELETE FROM expense_share WHERE user_id = '{anna.user.id}'")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(take_out, ben)
            first.commit()
            with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.SerializationFailure)):
                waiting.result()
    finally:
        first.close()
        second.close()
