"""The life of an expense on the pages: by keyboard, by pointer, and without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.conftest import Visitor

pytestmark = pytest.mark.browser


def test_an_expense_is_recorded_changed_deleted_and_brought_back_by_keyboard_alone(visitor: Visitor) -> None:
    visitor.register()
    page, keys = visitor.page, visitor.page.keyboard
    assert visitor.total() == "0.00 EUR"

    keys.press("n")
    keys.type("4.80")
    keys.press("Tab")  # the currency, which stays as it is
    keys.press("Tab")
    keys.type("Corner Bakery")
    keys.press("Enter")
    expect(page.locator(".row")).to_contain_text("Corner Bakery")
    assert visitor.total() == "4.80 EUR"
    expect(page.get_by_label("Amount")).to_be_focused()  # ready for the next one
    expect(page.get_by_label("Amount")).to_have_value("")

    page.locator("a.merchant").focus()
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Corner Bakery")).to_be_visible()
    page.get_by_label("Amount").focus()
    keys.press("Control+a")
    keys.type("5.20")
    keys.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Saved: Corner Bakery")
    assert visitor.total() == "5.20 EUR"

    page.get_by_role("button", name="Delete Corner Bakery").focus()
    keys.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Expense deleted.")
    expect(page.locator(".row")).to_have_count(0)
    assert visitor.total() == "0.00 EUR"
    expect(page.get_by_role("button", name="Undo")).to_be_focused()

    keys.press("Enter")
    expect(page.locator(".row")).to_contain_text("Corner Bakery")
    assert visitor.total() == "5.20 EUR"


def test_an_expense_is_recorded_changed_deleted_and_brought_back_without_javascript(
    visitors: Callable[..., Visitor], server: str
) -> None:
    visitor = visitors(server, java_script_enabled=False)
    visitor.register()
    page = visitor.page
    visitor.add("4,80", "Corner Bakery")  # a decimal comma, as much of the world types it
    assert visitor.total() == "4.80 EUR"

    page.get_by_role("link", name="Corner Bakery").click()
    page.get_by_label("Amount").fill("5.20")
    page.get_by_label("Note").fill("two rolls")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".row")).to_contain_text("two rolls")
    assert visitor.total() == "5.20 EUR"

    page.get_by_role("button", name="Delete Corner Bakery").click()
    expect(page.locator(".row")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".row")).to_contain_text("Corner Bakery")
    assert visitor.total() == "5.20 EUR"


def test_a_deletion_leaves_the_page_where_the_eye_is(visitors: Callable[..., Visitor], server: str) -> None:
    visitor = visitors(server, size=(360, 480))
    visitor.register()
    visitor.add("12", "Bookshop")
    visitor.add("4.80", "Corner Bakery")
    page = visitor.page
    delete = page.get_by_role("button", name="Delete Corner Bakery")
    delete.evaluate("button => button.scrollIntoView({block: 'center'})")
    place = page.evaluate("scrollY")
    delete.click()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    assert abs(page.evaluate("scrollY") - place) < 100  # a line has gone, and nothing else


@pytest.mark.parametrize("has_javascript", [True, False])
def test_an_error_stands_beside_its_field_and_what_was_typed_stays(
    visitors: Callable[..., Visitor], server: str, *, has_javascript: bool
) -> None:
    visitor = visitors(server, java_script_enabled=has_javascript)
    visitor.expected.append("status of 422")
    visitor.register()
    page = visitor.page
    page.get_by_label("Amount").fill("12.505")
    page.get_by_label("Where").fill("Bookshop")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".f-amount")).to_contain_text("EUR has 2 digits after the decimal point.")
    expect(page.get_by_label("Amount")).to_have_accessible_description("EUR has 2 digits after the decimal point.")
    expect(page.get_by_label("Amount")).to_have_value("12.505")
    expect(page.get_by_label("Where")).to_have_value("Bookshop")

    page.get_by_label("Amount").fill("12.50")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".row")).to_contain_text("Bookshop")
    assert visitor.total() == "12.50 EUR"


def test_amounts_have_the_digits_of_their_currency_and_currencies_are_not_mixed(visitor: Visitor) -> None:
    visitor.register()
    visitor.add("1240", "Onigiri stand", currency="JPY")
    visitor.add("1.250", "Tea house", currency="KWD")
    visitor.add("-79.95", "Shoes & Co")
    visitor.add("1234.5", "Rent")
    assert visitor.total() == "1,154.55 EUR"
    expect(visitor.page.locator(".others")).to_contain_text("1,240 JPY")
    expect(visitor.page.locator(".others")).to_contain_text("1.250 KWD")
    expect(visitor.page.locator(".row.fresh")).to_contain_text("1,234.50")
    expect(visitor.page.locator(".row", has_text="Shoes & Co")).to_contain_text("\N{MINUS SIGN}79.95")


def test_what_was_typed_survives_a_server_that_does_not_answer(visitor: Visitor) -> None:
    visitor.register()
    visitor.expected += ["ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest"]
    visitor.context.set_offline(True)
    visitor.page.get_by_label("Amount").fill("3.20")
    visitor.page.get_by_label("Where").fill("Kiosk")
    visitor.page.get_by_role("button", name="Add").click()
    expect(visitor.page.locator("#notice")).to_contain_text("cannot be reached")
    expect(visitor.page.get_by_label("Where")).to_have_value("Kiosk")
    visitor.context.set_offline(False)
    visitor.page.get_by_role("button", name="Add").click()
    expect(visitor.page.locator(".row")).to_contain_text("Kiosk")


def test_a_category_and_a_search_narrow_the_list_down(visitor: Visitor) -> None:
    home = visitor.register()
    page = visitor.page
    groceries = page.locator("#category_id option", has_text="Groceries").get_attribute("value") or ""
    visitor.add("43.90", "Green Market", category_id=groceries)
    visitor.add("980", "Rent November")
    page.get_by_role("rowheader", name="Groceries").get_by_role("link").click()
    expect(page.locator(".row")).to_have_count(1)
    expect(page.get_by_role("heading", name="Groceries")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.locator(".row")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("rent")
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row")).to_contain_text("Rent November")
    visitor.open(f"{home}/")
    expect(page.locator(".row")).to_have_count(2)


def test_a_category_is_made_used_and_archived(visitor: Visitor) -> None:
    home = visitor.register()
    page = visitor.page
    page.get_by_role("link", name="Categories").click()
    page.get_by_label("Name", exact=True).fill("Beekeeping")
    page.get_by_label("plum").check()
    page.get_by_role("button", name="Add category").click()
    expect(page.locator("#notice")).to_contain_text("Category added.")
    visitor.open(f"{home}/")
    bees = page.locator("#category_id option", has_text="Beekeeping").get_attribute("value") or ""
    visitor.add("12", "Honey jars", category_id=bees)
    expect(page.get_by_role("rowheader", name="Beekeeping")).to_be_visible()
    visitor.open(f"{home}/categories")
    page.get_by_role("button", name="Archive Beekeeping").click()
    expect(page.locator("#notice")).to_contain_text("Category archived.")
    visitor.open(f"{home}/")
    expect(page.locator("#category_id option", has_text="Beekeeping")).to_have_count(0)
    expect(page.get_by_role("rowheader", name="Beekeeping")).to_be_visible()  # old expenses keep it
