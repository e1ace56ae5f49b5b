"""What an expense was worth in the base currency is frozen when it is recorded, and never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from tests.ledger.recording import record

from expenses.history.verification import verify_workspace

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio

YEN = {"value": "1001", "currency": "JPY"}


async def put_rate(client: httpx.AsyncClient, person: Person, path: str, rate: str) -> None:
    answer = await client.put(f"{person.url}/rates/{path}", json={"rate": rate}, headers=person.headers)
    assert answer.status_code == 200, answer.text


async def changed(client: httpx.AsyncClient, person: Person, expense: dict[str, Any], **change: object) -> Any:  # noqa: ANN401 - JSON
    url = f"{person.url}/expenses/{expense['id']}"
    answer = await client.patch(url, json=change, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["converted"]


async def test_an_expense_is_converted_when_it_is_recorded_and_stays_so(
    client: httpx.AsyncClient, anna: Person
) -> None:
    await put_rate(client, anna, "EUR/JPY/2026-11-20", "160")
    expense = await record(client, anna, amount=YEN, spent_on="2026-11-22")
    frozen = {
        "amount": {"value": "6.26", "currency": "EUR"},  # 6.25625
        "rate": "0.00625",
        "on": "2026-11-20",
        "source": "by hand",
    }
    assert expense["converted"] == frozen
    await put_rate(client, anna, "EUR/JPY/2026-11-20", "200")
    await client.delete(f"{anna.url}/rates/EUR/JPY/2026-11-20", headers=anna.headers)
    assert await changed(client, anna, expense, note="nothing that counts") == frozen
    listed = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]
    assert [each["converted"] for each in listed] == [frozen]


async def test_what_counts_for_the_rate_is_converted_anew_when_it_changes(
    client: httpx.AsyncClient, anna: Person
) -> None:
    await put_rate(client, anna, "JPY/EUR/2026-11-20", "0.01")
    expense = await record(client, anna, amount=YEN, spent_on="2026-11-22")
    assert expense["converted"]["amount"]["value"] == "10.01"
    found = await changed(client, anna, expense, amount={"value": "-5", "currency": "JPY"})
    assert found["amount"]["value"] == "-0.05"
    assert await changed(client, anna, expense, spent_on="2026-11-01") is None  # no rate of that week
    assert (await changed(client, anna, expense, spent_on="2026-11-27"))["on"] == "2026-11-20"
    assert await changed(client, anna, expense, amount={"value": "5", "currency": "EUR"}) is None


async def test_what_is_not_converted_can_be_once_there_is_a_rate(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    yen = await record(client, anna, amount=YEN)
    await record(client, anna, amount={"value": "7", "currency": "USD"})
    await record(client, anna)
    gone = await record(client, anna, amount=YEN)
    await client.delete(f"{anna.url}/expenses/{gone['id']}", headers=anna.headers)
    await put_rate(client, anna, "JPY/EUR/2026-11-22", "0.01")
    url = f"{anna.url}/expenses/convert"
    for converted in (1, 0):
        answer = await client.post(url, headers=anna.headers)
        assert answer.json() == {"converted": converted, "not_converted": 1, "next": None}
    found = (await client.get(f"{anna.url}/expenses/{yen['id']}", headers=anna.headers)).json()
    assert (found["converted"]["amount"]["value"], found["version"]) == ("10.01", 2)
    events = (await client.get(f"{anna.url}/audit?entity_id={yen['id']}", headers=anna.headers)).json()["items"]
    assert [each["action"] for each in events] == ["convert", "create"]
    assert events[0]["after"] == found
    verified = await verify_workspace(
        session, workspace_id=anna.workspace.id, kept={}, until=None, now=anna.user.created_at, progress=lambda _: None
    )
    assert verified.faults == []


async def test_a_wrong_rate_is_mended_when_somebody_says_so_and_only_where_they_say(
    client: httpx.AsyncClient, anna: Person
) -> None:
    thirds = {"value": "7", "currency": "USD"}
    await put_rate(client, anna, "JPY/EUR/2026-11-20", "0.1")
    await put_rate(client, anna, "EUR/USD/2026-11-20", "3")
    ids = [(await record(client, anna, amount=YEN, spent_on=day))["id"] for day in ("2026-11-20", "2026-11-21")]
    dollars = await record(client, anna, amount=thirds, spent_on="2026-11-20")
    await put_rate(client, anna, "JPY/EUR/2026-11-20", "0.01")
    url = f"{anna.url}/expenses/convert"
    for query, converted in [
        ("", 0),
        ("?again=true&currency=USD", 0),  # divided, to 18 digits, and still the same
        ("?again=true&currency=JPY&from=2026-11-22", 0),
        ("?again=true&currency=JPY&to=2026-11-20", 1),
        ("?again=true&currency=JPY&to=2026-11-20", 0),
    ]:
        answer = await client.post(url + query, headers=anna.headers)
        assert answer.json() == {"converted": converted, "not_converted": 0, "next": None}, query
    listed = (await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]
    worth = {each["id"]: (each["converted"]["amount"]["value"], each["version"]) for each in listed}
    assert worth == {ids[0]: ("10.01", 2), ids[1]: ("100.10", 1), dollars["id"]: ("2.33", 1)}
    await client.delete(f"{anna.url}/rates/JPY/EUR/2026-11-20", headers=anna.headers)
    answer = await client.post(f"{url}?again=true", headers=anna.headers)
    assert answer.json() == {"converted": 0, "not_converted": 2, "next": None}
    kept = (await client.get(f"{anna.url}/expenses/{ids[0]}", headers=anna.headers)).json()
    assert (kept["converted"]["amount"]["value"], kept["version"]) == ("10.01", 2)


async def test_an_expense_in_the_base_currency_asks_for_no_rate(
    client: httpx.AsyncClient, anna: Person, app: FastAPI
) -> None:
    asked: list[str] = []
    event.listen(app.state.engine.sync_engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    await record(client, anna)
    assert [each for each in asked if "fx_rate " in each.replace("\n", " ")] == []
    await record(client, anna, amount=YEN)
    assert len([each for each in asked if "FROM fx_rate" in each.replace("\n", " ")]) == 1


async def test_the_month_says_what_it_comes_to_in_the_base_currency_and_what_is_missing(
    client: httpx.AsyncClient, anna: Person
) -> None:
    await put_rate(client, anna, "JPY/EUR/2026-11-20", "0.01")
    for value, currency in (("3.80", "EUR"), ("1001", "JPY"), ("-1", "JPY"), ("7", "USD"), ("8", "USD")):
        await record(client, anna, amount={"value": value, "currency": currency})
    await record(client, anna, amount={"value": "1.005", "currency": "KWD"})
    answer = await client.get(f"{anna.url}/reports/monthly?month=2026-11", headers=anna.headers)
    assert answer.json()["in_base_currency"] == {
        "total": {"value": "13.80", "currency": "EUR"},  # 3.80 and 10.01 and -0.01
        "not_converted": {
            "count": 3,
            "totals": [{"value": "1.005", "currency": "KWD"}, {"value": "15.00", "currency": "USD"}],
        },
    }
    empty = await client.get(f"{anna.url}/reports/monthly?month=2026-10", headers=anna.headers)
    assert empty.json()["in_base_currency"]["total"] == {"value": "0.00", "currency": "EUR"}
