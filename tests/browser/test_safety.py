"""What a hostile text, a forged form and a stranger's address come to in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.conftest import Visitor

pytestmark = pytest.mark.browser

HOSTILE = """<img src=x onerror="alert(1)">'"><script>alert(2)</script>{{ 7*7 }}"""


def test_html_in_every_text_is_shown_as_text(visitor: Visitor) -> None:
    home = visitor.register()
    page = visitor.page
    page.on("dialog", lambda dialog: visitor.complaints.append(f"dialog: {dialog.message}"))
    visitor.open(f"{home}/categories")
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_role("button", name="Add category").click()
    expect(page.locator(".categories")).to_contain_text(HOSTILE)
    visitor.open(f"{home}/")
    category = page.locator("#category_id option", has_text="onerror").get_attribute("value") or ""
    visitor.add("1", HOSTILE, category_id=category)
    page.locator("a.merchant").click()
    page.get_by_label("Note").fill(HOSTILE)
    page.get_by_label("Tags").fill(HOSTILE[:45])
    page.get_by_role("button", name="Save").click()
    row = page.locator(".row")
    expect(row.locator(".merchant")).to_have_text(HOSTILE)
    expect(row.locator(".note")).to_have_text(HOSTILE)
    expect(row.locator(".tag")).to_have_text(HOSTILE[:45])
    expect(page.get_by_role("rowheader", name=HOSTILE)).to_be_visible()
    expect(page.locator("main img, main script")).to_have_count(0)


@pytest.mark.parametrize("has_javascript", [True, False])
def test_a_form_with_a_wrong_token_changes_nothing(
    visitors: Callable[..., Visitor], server: str, *, has_javascript: bool
) -> None:
    visitor = visitors(server, java_script_enabled=has_javascript)
    visitor.expected += ["status of 403", "Response Status Error Code 403"]
    home = visitor.register()
    visitor.add("4.80", "Corner Bakery")
    page = visitor.page
    page.route("**/delete", lambda route: route.continue_(post_data="csrf_token=forged"))
    page.get_by_role("button", name="Delete Corner Bakery").click()
    expect(page.get_by_text("403")).to_be_visible()
    visitor.open(f"{home}/")
    expect(page.locator(".row")).to_contain_text("Corner Bakery")


def test_a_form_on_another_site_changes_nothing(visitors: Callable[..., Visitor], server: str) -> None:
    visitor = visitors(server)
    visitor.expected.append("status of 403")
    home = visitor.register()
    page = visitor.page
    token = page.locator("#add [name=csrf_token]").get_attribute("value")
    elsewhere = server.replace("localhost", "127.0.0.1")  # another site to a browser, although the same machine
    page.route(
        f"{elsewhere}/trap",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"""<form method="post" action="{server}{home}/expenses">
                <input name="csrf_token" value="{token}"><input name="merchant" value="X">
                <input name="amount" value="1"><input name="currency" value="EUR"><button>Win</button></form>""",
        ),
    )
    page.goto(f"{elsewhere}/trap")
    page.get_by_role("button", name="Win").click()
    expect(page).not_to_have_url(f"{elsewhere}/trap")
    visitor.open(f"{home}/")
    expect(page.locator(".row")).to_have_count(0)


def test_the_workspace_of_somebody_else_is_not_there(visitors: Callable[..., Visitor], server: str) -> None:
    home = visitors(server).register()
    stranger = visitors(server)
    stranger.expected.append("status of 404")
    stranger.register()
    stranger.open(f"{home}/")
    expect(stranger.page.get_by_role("heading", name="Nothing here")).to_be_visible()


def test_the_sentence_about_a_deletion_is_shown_once_and_tells_the_next_person_nothing(visitor: Visitor) -> None:
    home = visitor.register()
    page = visitor.page
    visitor.add("4.80", "Secret Bakery")
    page.get_by_role("button", name="Delete Secret Bakery").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.reload()
    expect(page.locator("#notice")).to_be_empty()
    assert all("Secret" not in str(cookie) for cookie in visitor.context.cookies())
    assert "Secret" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    visitor.open(f"{home}/")
