"""Two people with the same page open: who sends it second is told, in the window as it is, and can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_looks import look_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.browser.conftest import Visitor

pytestmark = pytest.mark.browser


def other_tab(visitor: Visitor) -> Page:
    """The page that is open, once more."""
    tab = visitor.context.new_page()
    tab.goto(visitor.page.url)
    return tab


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_is_too_late_reads_why_and_saves_it_all_the_same(
    visitors: Callable[..., Visitor], server: str, *, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    visitor = visitors(server, size=size, scheme=scheme, reduced_motion="reduce")
    visitor.expected.append("status of 412")
    home = visitor.register()
    visitor.add("4.80", "Corner Bakery")
    page = visitor.page
    page.locator("a.merchant").click()
    expect(page.get_by_role("button", name="Save")).to_be_visible()
    other = other_tab(visitor)
    other.get_by_label("Amount").fill("5.20")
    other.get_by_label("Note").fill("two rolls and a slice of the cake of the day")
    other.get_by_role("button", name="Save").click()
    page.get_by_label("Where").fill("Bakery at the corner")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "Not saved: this expense was changed while you had the page open."
    )
    expect(page.get_by_role("alert")).to_contain_text("5.20 EUR")
    problems = look_at(page, "an expense, too late")
    expect(page.get_by_label("Where")).to_have_value("Bakery at the corner")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notice")).to_contain_text("Saved: Bakery at the corner")

    visitor.open(f"{home}/settings")
    other.goto(page.url)
    other.get_by_label("Time zone").fill("Europe/Berlin")
    other.get_by_role("button", name="Save").click()
    page.get_by_label("Name", exact=True).fill("Casa")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Europe/Berlin")
    problems += look_at(page, "settings, too late")
    page.get_by_role("link", name="start from what is there now").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert problems == []


@pytest.mark.parametrize("has_javascript", [True, False])
def test_deleting_from_the_month_what_was_changed_shows_it_first(
    visitors: Callable[..., Visitor], server: str, *, has_javascript: bool
) -> None:
    visitor = visitors(server, size=(360, 480), java_script_enabled=has_javascript)
    visitor.expected.append("status of 412")
    visitor.register()
    for name in ("Bookshop", "Kiosk", "Corner Bakery"):
        visitor.add("4.80", name)
    page = visitor.page
    other = other_tab(visitor)
    other.get_by_role("link", name="Bookshop").click()
    other.get_by_label("Amount").fill("52")
    other.get_by_role("button", name="Save").click()
    expect(other).to_have_url(page.url)
    page.get_by_role("button", name="Delete Bookshop").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Not deleted: this expense was changed while you had the page open.")
    expect(alert).to_be_in_viewport()
    expect(page.get_by_label("Amount")).to_have_value("52.00")
    expect(page).to_have_title("Change Bookshop · Expenses")
    page.get_by_role("button", name="Delete this expense").click()
    expect(page.locator("#notice")).to_contain_text("Expense deleted.")
    expect(page.locator(".row")).to_have_count(2)
