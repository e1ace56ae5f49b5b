"""More of the largest amounts than a bigint, or a float, can add up: exact in the API and on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browsing import open_window
from tests.conftest import execute

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

MANY = 10_000
"""Of 10^15 minor units each: 10^19 together, and 2^63 is 9.2 * 10^18."""


@pytest.fixture
async def ben(anna: Person, people: People, database: str) -> Person:
    """Whom Anna has paid as much as can be, as often, for as many expenses, converted to as much as can be."""
    ben = await people.sign_up(display_name="Ben")
    await people.join(ben, anna.workspace, "member")
    home = anna.workspace.id
    execute(
        database,
        f"""INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, payer_id,
            version, created_by, created_at, updated_at, base_currency, base_amount_minor, fx_rate, fx_on, fx_source)
            SELECT '{home}', gen_random_uuid(), '2026-11-22', 1000000000000000, 'KWD', 'Shop', '', '{{}}',
            '{anna.user.id}', 1, '{anna.user.id}', now(), now(), 'EUR', 1000000000000000000, 1, '2026-11-22', 'x'
            FROM generate_series(1, {MANY});
            INSERT INTO settlement (workspace_id, id, from_user_id, to_user_id, amount_minor, currency, paid_on, note,
            created_by, created_at)
            SELECT '{home}', gen_random_uuid(), '{anna.user.id}', '{ben.user.id}', 1000000000000000, 'JPY',
            '2026-11-22', '', '{anna.user.id}', now() FROM generate_series(1, {MANY})""",
    )
    return ben


async def test_more_than_a_bigint_holds_is_added_up_to_the_last_minor_unit(
    app: FastAPI, client: httpx.AsyncClient, anna: Person, ben: Person
) -> None:
    report = (await client.get(f"{anna.url}/reports/monthly?month=2026-11", headers=anna.headers)).json()
    spent = {"value": "10000000000000000.000", "currency": "KWD"}
    assert (report["count"], report["totals"], report["days"][0]["totals"]) == (MANY, [spent], [spent])
    assert report["categories"][0]["totals"] == [spent]
    assert report["in_base_currency"]["total"] == {"value": "100000000000000000000.00", "currency": "EUR"}
    (balance,) = (await client.get(f"{anna.url}/balances", headers=anna.headers)).json()["items"]
    assert {each["user_id"]: each["value"] for each in balance["balances"]} == {
        str(anna.user.id): "10000000000000000000",
        str(ben.user.id): "-10000000000000000000",
    }
    assert [each["value"] for each in balance["suggestions"]] == ["10000000000000000000"]
    window = await open_window(app, client, anna)
    month = (await window.get(f"{window.home}/months/2026-11")).text
    for figure in ("10,000,000,000,000,000.000", "100,000,000,000,000,000,000.00", ">1,000,000,000,000.000<"):
        assert figure in month
    assert "10,000,000,000,000,000,000" in (await window.get(f"{window.home}/balances")).text


async def test_a_suggestion_beyond_the_largest_amount_is_refused_with_what_can_be_paid(
    client: httpx.AsyncClient, anna: Person, ben: Person
) -> None:
    body = {"from_user_id": str(ben.user.id), "to_user_id": str(anna.user.id), "paid_on": "2026-11-22"}
    url = f"{anna.url}/settlements"
    for value, status in (("10000000000000000000", 422), ("1000000000000000", 201)):
        amount = {"value": value, "currency": "JPY"}
        answer = await client.post(url, json=body | {"amount": amount}, headers=anna.headers)
        assert answer.status_code == status, answer.text
        assert status == 201 or "The largest amount is 1000000000000000." in answer.text
