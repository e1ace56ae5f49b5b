"""Real Chromium in front of a real server on a real, migrated database.

One server and one browser for all tests; every test has visitors of its own, who register as people do. A visitor
listens to the browser's console: when the test ends, it must have been silent.
"""

from __future__ import annotations

import http.client
import itertools
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import sync_playwright
from tests.conftest import execute
from tools.postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page
    from tools.postgres import Cluster

ROOT = Path(__file__).parents[2]

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",  # containers and root have no user namespaces; all pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PASSWORD = "a sentence is long enough"

PHONE = (360, 740)
DESKTOP = (1280, 800)

_numbers = itertools.count(1)

_REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""


@dataclass
class Visitor:
    """Somebody with a browser window, and what the console said to them."""

    page: Page
    context: BrowserContext
    base_url: str
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of messages that belong to the test, such as the browser's line about a 404 that was asked for."""

    def open(self, path: str) -> None:
        """Go to an address of the server."""
        self.page.goto(self.base_url + path)

    def register(self) -> str:
        """Make an account on the page and be signed in. Returns the path of the workspace."""
        self.open("/register")
        self.page.get_by_label("Your name").fill("Maya Okafor")
        self.page.get_by_label("E-mail").fill(f"visitor{next(_numbers)}@example.org")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Make the account").click()
        self.page.wait_for_url("**/months/*")
        return self.page.url.removeprefix(self.base_url).partition("/months/")[0]

    def add(self, amount: str, merchant: str, **choices: str) -> None:
        """Write down an expense with the quick add; `choices` are other fields, by name, options by value."""
        self.page.get_by_label("Amount").fill(amount)
        self.page.get_by_label("Where").fill(merchant)
        for name, value in choices.items():
            control = self.page.locator(f"#add [name={name}]")
            if control.evaluate("control => control.localName") == "select":
                control.select_option(value)
            else:
                control.fill(value)
        self.page.get_by_role("button", name="Add").click()
        self.page.locator("#notice", has_text=f"Added: {merchant}").wait_for()

    def total(self) -> str:
        """The month's total, as it stands on the page."""
        return " ".join(self.page.locator(".total").inner_text().split())

    def unexpected_complaints(self) -> list[str]:
        """What the console said that the test does not account for."""
        return [line for line in self.complaints if not any(part in line for part in self.expected)]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser. That there is none is a failure, not a reason to skip."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.fail("no Chromium on PATH; on Debian: `apt-get install chromium`", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(cluster: Cluster, template_database: str) -> Iterator[str]:
    """Base URL of the service on a migrated database, open for registration."""
    execute(cluster.url, f"CREATE DATABASE browser TEMPLATE {template_database}")
    with_url = serve(cluster.database_url("browser"), until=200)
    yield next(with_url)
    next(with_url, None)


@pytest.fixture(scope="session")
def closed_server(cluster: Cluster) -> Iterator[str]:
    """Base URL of the service on a database that was never migrated: the gate stays closed."""
    execute(cluster.url, "CREATE DATABASE browser_empty")
    with_url = serve(cluster.database_url("browser_empty"), until=503)
    yield next(with_url)
    next(with_url, None)


def serve(database_url: str, *, until: int) -> Iterator[str]:
    """Run uvicorn on a free port; yields its URL once `/health` answers with that status."""
    port = free_port()
    environment = os.environ | {"DATABASE_URL": database_url, "REGISTRATION": "open", "RUN_MIGRATIONS": "false"}
    command = [sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 30
        while health(port) != until:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the server did not come up", pytrace=False)
            time.sleep(0.05)
        # Browsers take secure cookies from `localhost` without TLS, so the cookies here are those of production.
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def health(port: int) -> int | None:
    """Status of `/health`, or nothing while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture
def visitors(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, and asks at the end whether anything went wrong in their browsers."""
    made: list[Visitor] = []

    def make(
        base_url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: Literal["light", "dark"] = "light",
        **options: Any,  # noqa: ANN401 - whatever Playwright's `new_context` takes
    ) -> Visitor:
        viewport: Any = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=viewport, color_scheme=scheme, locale="en-GB", **options)
        context.set_default_timeout(10_000)
        page = context.new_page()
        visitor = Visitor(page, context, base_url)
        if options.get("java_script_enabled", True):
            page.add_init_script(_REPORT_VIOLATIONS)
        page.on("console", lambda message: _note(visitor, message.type, message.text))
        page.on("pageerror", lambda error: visitor.complaints.append(f"error: {error}"))
        made.append(visitor)
        return visitor

    yield make
    complaints = [line for visitor in made for line in visitor.unexpected_complaints()]
    for visitor in made:
        visitor.context.close()
    assert complaints == []


@pytest.fixture
def visitor(visitors: Callable[..., Visitor], server: str) -> Visitor:
    """Somebody at a desk, nobody knows whom."""
    return visitors(server)


def _note(visitor: Visitor, kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        visitor.complaints.append(f"{kind}: {text}")
