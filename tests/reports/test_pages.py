"""The month's page: what it adds up, in which order, and what it makes of odd addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.browsing import Window, open_window

from expenses.reports import pages

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    return await open_window(app, client, anna)


def texts(markup: str) -> str:
    """The page's words and figures in their order, without the tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


async def test_the_month_shows_days_newest_first_with_their_totals(window: Window) -> None:
    await window.add("4.80", "Bakery", spent_on="2026-11-21")
    await window.add("43.90", "Market", spent_on="2026-11-22")
    await window.add("1.10", "Kiosk", spent_on="2026-11-22")
    await window.add("980", "Rent", spent_on="2026-10-01")
    page = texts((await window.get(f"{window.home}/months/2026-11")).text)
    assert "49.80 EUR" in page
    assert "3 expenses on 2 days" in page
    assert re.search(r"Today 45\.00 .* Yesterday 4\.80 ", page)
    assert "Rent" not in page.partition("By category")[0].partition("Expenses Search")[2]


async def test_today_is_the_workspace_s_day_and_not_the_server_s(window: Window, session: Session) -> None:
    await session.execute(text("UPDATE workspace SET time_zone = 'Pacific/Kiritimati'"))
    page = await window.get(f"{window.home}/months/2026-11")
    assert 'value="2026-11-23"' in page.text


async def test_totals_stand_in_each_currency_and_are_never_added(window: Window) -> None:
    await window.add("10", "Market")
    await window.add("1240", "Onigiri stand", currency="JPY")
    page = (await window.get(f"{window.home}/months/2026-11")).text
    assert "Spending by category in EUR" in page
    assert "Spending by category in JPY" in page
    assert "1,250" not in page
    assert "together, at the rate of each day" not in page


async def test_the_month_says_what_it_comes_to_together_and_what_is_not_in_that(
    client: httpx.AsyncClient, anna: Person, window: Window
) -> None:
    await client.put(f"{anna.url}/rates/JPY/EUR/2026-11-20", json={"rate": "0.01"}, headers=anna.headers)
    await window.add("10", "Market")
    await window.add("1240", "Onigiri stand", currency="JPY")
    await window.add("7", "Diner", currency="USD")
    page = (await window.get(f"{window.home}/months/2026-11")).text
    assert 'class="figures">22.40</span> <span class="code">EUR</span></span> together' in page
    link = "../expenses?q=is%3Aunconverted%20on%3A2026-11"
    assert f'<a href="{link}">1 not converted</a>, for want of a rate: ' in page
    found = (await window.get(f"{window.home}/months/{link}")).text
    assert ("Diner" in found, "Onigiri" in found) == (True, False)


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "1899-12", "2200-01", "soon", "2026-11-22", "%00"])
async def test_a_month_that_does_not_exist_is_not_found(window: Window, month: str) -> None:
    assert (await window.get(f"{window.home}/months/{month}")).status_code == 404


async def test_the_first_and_the_last_month_have_one_neighbour(window: Window) -> None:
    first = (await window.get(f"{window.home}/months/1900-01")).text
    last = (await window.get(f"{window.home}/months/2199-12")).text
    assert 'rel="prev"' not in first
    assert 'rel="next"' in first
    assert 'rel="prev"' in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("q=%25", 200),
        ("q=%27%3B%20DROP%20TABLE%20expense%3B--", 200),
        ("q=%00", 404),
        ("q=" + "x" * 300, 404),
        ("category=nonsense", 404),
        ("category=none", 200),
        ("after=nonsense", 422),
        ("day=%3Cb%3E", 200),
    ],
)
async def test_odd_questions_are_answered_or_refused_and_never_crash(window: Window, query: str, status: int) -> None:
    await window.add()
    answer = await window.get(f"{window.home}/months/2026-11?{query}")
    assert answer.status_code == status
    assert "<b>" not in answer.text


async def test_a_long_month_goes_on_on_another_page_and_no_expense_is_lost(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROWS", 2)
    for number in range(5):
        await window.add(str(number + 1), f"Shop{number}", spent_on="2026-11-20")
    path, seen = f"{window.home}/months/2026-11", ""
    for _ in range(3):
        page = (await window.get(path)).text
        seen += page.partition('id="list-title"')[2]
        link = re.search(r'href="([^"]+)"[^>]*>Show earlier days', page)
        path = link[1].replace("&amp;", "&") if link else ""
    assert path == ""
    assert [seen.count(f">Shop{number}<") for number in range(5)] == [1, 1, 1, 1, 1]
    heads = re.findall(r'class="day-head">(.*?)</div>', seen, re.DOTALL)
    assert [texts(head) for head in heads] == ["Friday, 20 November 15.00", *["Friday, 20 November"] * 2]


async def test_a_search_narrows_the_list_and_not_the_totals(window: Window) -> None:
    await window.add("10", "Market")
    await window.add("980", "Rent")
    page = texts((await window.get(f"{window.home}/months/2026-11?q=rent")).text)
    assert "990.00 EUR" in page
    assert "Expenses with “rent”" in page
    assert "Market" not in page.partition("Expenses with")[2].partition("By category")[0]
