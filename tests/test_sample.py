"""The sample year: several hundred expenses that look like somebody's, once."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from expenses.accounts import service as accounts
from expenses.ledger.categories import default_categories
from expenses.reports.model import Month
from expenses.reports.service import monthly
from expenses.sample import DEMO_EMAIL, DEMO_PASSWORD, load_sample, sample_year
from expenses.workspaces.service import list_memberships, sign_up

if TYPE_CHECKING:
    from tests.people import Clock

    from expenses.db import Session

pytestmark = pytest.mark.anyio

IDS = {each.name: each.id for each in default_categories(UUID(int=1))}


def test_the_year_is_the_same_every_time_and_ends_today() -> None:
    today = date(2026, 11, 22)
    year = list(sample_year(until=today, category_ids=IDS))
    assert year == list(sample_year(until=today, category_ids=IDS))
    assert 450 <= len(year) <= 900
    days = [each.spent_on for each in year]
    assert days == sorted(days)
    assert days[0] == date(2025, 12, 1)
    assert days[-1] <= today
    tomorrow = list(sample_year(until=today + timedelta(days=1), category_ids=IDS))
    assert year == [each for each in tomorrow if each.spent_on <= today]


@pytest.mark.parametrize("today", [date(2026, 11, 22), date(2028, 2, 29), date(2027, 1, 1), date(2026, 5, 12)])
def test_every_month_has_rent_groceries_and_every_year_a_refund_and_a_trip(today: date) -> None:
    year = list(sample_year(until=today, category_ids=IDS))
    rents = [each for each in year if each.category_id == IDS["Rent"]]
    assert len(rents) == 12
    assert all(each.spent_on.day == 1 for each in rents)
    groceries = Counter(each.spent_on.month for each in year if each.category_id == IDS["Groceries"])
    assert len(groceries) >= 11
    assert any(each.amount.minor < 0 for each in year)
    assert {each.amount.currency.code for each in year} == {"EUR", "JPY"}
    assert any(each.category_id is None for each in year)


def test_every_category_it_names_is_one_of_the_first_set() -> None:
    class Strict(dict[str, UUID]):
        def get(self, name: str, _: object = None) -> UUID:  # an unknown name is an error here
            return self[name]

    strict = Strict(IDS | {"": UUID(int=0)})
    for year in range(2024, 2029):
        assert list(sample_year(until=date(year, 12, 31), category_ids=strict))


async def test_it_is_loaded_once_into_an_account_that_can_sign_in(session: Session, clock: Clock) -> None:
    loaded = await load_sample(session, now=clock())
    assert loaded > 400
    assert await load_sample(session, now=clock()) == 0
    token = await accounts.issue_token(
        session, email=DEMO_EMAIL, password=DEMO_PASSWORD, client_address="127.0.0.1", name="test", now=clock()
    )
    actor = await accounts.actor_of_token(session, token=token.token, now=clock())
    assert actor is not None
    (membership,) = await list_memberships(session, actor=actor)
    report = await monthly(session, actor=actor, workspace_id=membership.workspace.id, month=Month(2026, 11))
    assert report.count > 20
    assert {each.name for each in report.categories} >= {"Groceries", "Home", "Uncategorised"}


async def test_an_interrupted_load_is_finished_by_the_next(session: Session, clock: Clock) -> None:
    await sign_up(session, email=DEMO_EMAIL, password=DEMO_PASSWORD, display_name="Demo", now=clock())
    assert await load_sample(session, now=clock()) > 400
