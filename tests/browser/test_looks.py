"""How every page looks and behaves: on a phone and at a desk, dark and light, by keyboard, for assistive technology.

That the browser's console stays silent, content security policy included, is checked for every test (`conftest`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser.conftest import DESKTOP, PASSWORD, PHONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.browser.conftest import Visitor

pytestmark = pytest.mark.browser

LONG = "Donaudampfschifffahrtsgesellschaftskapitaensmuetzenfabrik"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_its_window_and_is_accessible(
    visitors: Callable[..., Visitor],
    server: str,
    closed_server: str,
    *,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
) -> None:
    visitor = visitors(server, size=size, scheme=scheme, reduced_motion="reduce")
    page = visitor.page
    problems = []
    for path in ("/sign-in", "/register"):
        visitor.open(path)
        problems += look_at(page, path)
    home = visitor.register()
    problems += look_at(page, "an empty month")
    fill_a_month(visitor)
    problems += look_at(page, "a full month")
    page.get_by_role("button", name=f"Delete {LONG}").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    problems += look_at(page, "after a deletion")
    page.keyboard.press("Escape")
    page.locator("details.menu summary").click()
    problems += look_at(page, "the menu")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    problems += look_at(page, "the shortcuts")
    page.keyboard.press("Escape")
    page.locator("a.merchant").first.click()
    expect(page.get_by_role("button", name="Save")).to_be_visible()
    problems += look_at(page, "an expense")
    page.get_by_role("link", name="What was changed").click()
    expect(page.get_by_text("wrote it down")).to_be_visible()
    problems += look_at(page, "the history of an expense")
    visitor.open(f"{home}/categories")
    problems += look_at(page, "categories")
    visitor.open(f"{home}/members")
    page.get_by_label("For whom").fill(LONG)
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("button", name="Copy the link")).to_be_visible()
    problems += look_at(page, "members, with a new link")
    within = [f"{home}/{name}" for name in ("expenses", "trash", "balances", "settings")]
    for path in (*within, "/workspaces", "/workspaces/new", "/security", "/security/events"):
        visitor.open(path)
        problems += look_at(page, path)
    visitor.expected += ["status of 404", "status of 503", "status of 422"]
    visitor.open(f"{home}/nowhere")
    problems += look_at(page, "not found")
    page.goto(closed_server)
    problems += look_at(page, "closed")
    assert problems == []


def look_at(page: Page, where: str) -> list[str]:
    """What is wrong with the page as it stands: too wide, or rules of axe-core (WCAG 2.2 A and AA, best practice)."""
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    found = [f"{where}: {width[0]} px wide in a window of {width[1]}"] if width[0] > width[1] else []
    assert page.title().endswith(" · Expenses")
    for violation in Axe().run(page).response["violations"]:
        nodes = "; ".join(f"{node['target']} {node['failureSummary']}" for node in violation["nodes"][:3])
        found.append(f"{where}: {violation['id']}: {nodes}")
    return found


def fill_a_month(visitor: Visitor) -> None:
    """Expenses of every kind: categories, none, a refund, other currencies, a long word, a note."""
    options = visitor.page.locator("#category_id option").evaluate_all("options => options.map(each => each.value)")
    visitor.add("1234567.89", LONG, category_id=options[2])
    visitor.add("-79.95", "Shoes & Co", category_id=options[3])
    visitor.add("1240", "Onigiri stand", currency="JPY")
    visitor.add("4.80", "Corner Bakery", category_id=options[1])


def test_the_colours_follow_what_the_system_says(visitors: Callable[..., Visitor], server: str) -> None:
    def background(scheme: str) -> int:
        visitor = visitors(server, scheme=scheme)
        visitor.open("/sign-in")
        color = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", color))

    assert background("light") > 600
    assert background("dark") < 120


def test_months_and_shortcuts_are_reached_with_single_keys(visitor: Visitor) -> None:
    visitor.register()
    page, keys = visitor.page, visitor.page.keyboard
    this_month = page.title()
    page.locator("h1").click()
    keys.press("ArrowLeft")
    expect(page).not_to_have_title(this_month)
    keys.press("t")
    expect(page).to_have_title(this_month)
    keys.press("ArrowRight")
    expect(page).not_to_have_title(this_month)
    keys.press("ArrowLeft")
    expect(page).to_have_title(this_month)
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="Categories").click()
    expect(page).to_have_title("Categories · Expenses")
    keys.press("n")  # from anywhere
    expect(page.get_by_label("Amount")).to_be_focused()
    page.get_by_label("Where").focus()
    keys.type("t?n")  # while somebody writes, letters are letters
    expect(page.get_by_label("Where")).to_have_value("t?n")


def test_single_keys_can_be_turned_off(visitor: Visitor) -> None:
    visitor.register()
    visitor.page.keyboard.press("?")
    visitor.page.get_by_label("Single keys do this").uncheck()
    visitor.page.keyboard.press("Escape")
    visitor.page.reload()
    visitor.page.keyboard.press("n")
    expect(visitor.page.get_by_label("Amount")).not_to_be_focused()


def test_the_first_tab_offers_to_skip_to_the_content_and_focus_is_visible(visitor: Visitor) -> None:
    visitor.register()
    page = visitor.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    assert width >= 2


def test_a_visitor_signs_out_and_in_again_and_lands_where_they_wanted(visitor: Visitor) -> None:
    home = visitor.register()
    page = visitor.page
    page.locator("details.menu summary").click()
    email = page.locator(".menu-in .muted").inner_text()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Expenses")
    page.go_back()
    expect(page).to_have_title("Sign in · Expenses")  # nothing is left to look at
    visitor.open(f"{home}/categories")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("Categories · Expenses")


def test_the_page_of_a_closed_server_looks_again_by_itself(
    visitors: Callable[..., Visitor], closed_server: str
) -> None:
    visitor = visitors(closed_server)
    visitor.expected.append("status of 503")
    answer = visitor.page.goto(closed_server)
    assert answer is not None
    assert answer.status == 503
    assert answer.headers["refresh"] == "5"
    assert int(answer.headers["retry-after"]) >= 1
    expect(visitor.page.get_by_role("heading", name="Back in a moment")).to_be_visible()
    family = visitor.page.evaluate("getComputedStyle(document.body).fontFamily")
    assert "system-ui" in family  # styled, although the gate closes `/static` too
