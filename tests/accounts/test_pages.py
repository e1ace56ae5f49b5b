"""Signing in and out on pages, and what every page tells the browser."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.people import PASSWORD

from expenses.web import assets
from expenses.web.page import is_own_path

if TYPE_CHECKING:
    from fastapi import FastAPI
    from tests.people import Person

pytestmark = pytest.mark.anyio

PAGE = {"Accept": "text/html"}

HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
"""Of `dist/htmx.min.js` in the npm package `htmx.org` 2.0.11."""


def token_in(answer: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found
    return found[1]


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    token = token_in(await client.get("/sign-in"))
    return await client.post("/sign-in", data={"csrf_token": token, "email": email, "password": password} | more)


async def test_signing_in_leads_to_the_only_workspace_and_its_current_month(
    client: httpx.AsyncClient, anna: Person
) -> None:
    answer = await sign_in(client, anna.user.email)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    answer = await client.get("/")
    assert answer.headers["location"] == f"/w/{anna.workspace.id}/"
    answer = await client.get(answer.headers["location"])
    assert answer.headers["location"] == f"/w/{anna.workspace.id}/months/2026-11"
    answer = await client.get(answer.headers["location"])
    assert answer.status_code == 200
    assert "<title>November 2026 · Expenses</title>" in answer.text


async def test_somebody_unknown_is_sent_to_sign_in_and_from_there_to_where_they_wanted(
    client: httpx.AsyncClient, anna: Person
) -> None:
    wanted = f"/w/{anna.workspace.id}/months/2026-10?q=caf%C3%A9"
    answer = await client.get(wanted, headers=PAGE)
    assert answer.status_code == 303
    form = await client.get(answer.headers["location"])
    target = re.search(r'name="next" value="([^"]+)"', form.text)
    assert target
    answer = await sign_in(client, anna.user.email, next=target[1])
    assert httpx.URL(answer.headers["location"]) == httpx.URL(wanted)


async def test_htmx_is_told_to_load_the_sign_in_page_instead_of_swapping_it_in(
    client: httpx.AsyncClient, anna: Person
) -> None:
    headers = PAGE | {"HX-Request": "true"}
    answer = await client.post(f"/w/{anna.workspace.id}/expenses", headers=headers)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/sign-in")


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/\tx", "/\n//evil.example"]
)
async def test_signing_in_never_leads_to_another_site(client: httpx.AsyncClient, anna: Person, target: str) -> None:
    assert not is_own_path(target)
    answer = await sign_in(client, anna.user.email, next=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_wrong_password_is_said_at_the_form_and_the_address_stays(
    client: httpx.AsyncClient, anna: Person
) -> None:
    answer = await sign_in(client, anna.user.email, "not the right one")
    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong." in answer.text
    assert f'value="{anna.user.email}"' in answer.text
    assert "not the right one" not in answer.text


async def test_signing_out_ends_the_session_and_not_only_the_cookie(client: httpx.AsyncClient, anna: Person) -> None:
    await sign_in(client, anna.user.email)
    kept = dict(client.cookies)
    month = await client.get(f"/w/{anna.workspace.id}/months/2026-11")
    answer = await client.post("/sign-out", data={"csrf_token": token_in(month)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    client.cookies.update(kept)
    assert (await client.get("/", headers=PAGE)).headers["location"].startswith("/sign-in")


async def test_signing_out_needs_the_session_s_token(client: httpx.AsyncClient, anna: Person) -> None:
    await sign_in(client, anna.user.email)
    assert (await client.post("/sign-out", headers=PAGE)).status_code == 403
    assert (await client.get("/")).headers["location"].startswith("/w/")


@pytest.mark.parametrize("path", ["/sign-in", "/register"])
@pytest.mark.parametrize("token", ["", "x" * 43, "\N{SNOWMAN}"])
async def test_forms_before_signing_in_need_the_token_of_their_cookie(
    client: httpx.AsyncClient, anna: Person, path: str, token: str
) -> None:
    await client.get(path)
    data = {"csrf_token": token, "email": anna.user.email, "password": PASSWORD}
    answer = await client.post(path, data=data, headers=PAGE)
    assert answer.status_code == 403
    assert "This form is out of date" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil"}, {"Origin": "null"}],
)
async def test_forms_of_other_sites_are_refused_even_with_the_right_token(
    client: httpx.AsyncClient, anna: Person, headers: dict[str, str]
) -> None:
    token = token_in(await client.get("/sign-in"))
    data = {"csrf_token": token, "email": anna.user.email, "password": PASSWORD}
    answer = await client.post("/sign-in", data=data, headers=PAGE | headers)
    assert answer.status_code == 403
    assert "__Host-expenses_session" not in client.cookies
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "https://testserver:8443"}
    assert (await client.post("/sign-in", data=data, headers=own)).status_code == 303


async def test_a_form_longer_than_any_text_is_refused_before_it_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/sign-in", data={"email": "x" * 1_000_000}, headers=PAGE)
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")


async def test_cookies_are_out_of_reach_of_scripts_and_of_plain_http(client: httpx.AsyncClient, anna: Person) -> None:
    form = await client.get("/sign-in")
    answer = await sign_in(client, anna.user.email)
    for header in [*form.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]:
        assert header.startswith("__Host-")
        assert {"httponly", "secure", "path=/"} <= {part.strip().lower() for part in header.split(";")}
        assert "samesite" in header.lower()


async def test_every_page_forbids_what_it_does_not_need(client: httpx.AsyncClient) -> None:
    for path in ("/sign-in", "/register", "/nowhere"):
        headers = (await client.get(path, headers=PAGE)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


async def test_no_page_has_inline_script_style_or_anything_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/sign-in", "/register"):
        text = (await client.get(path)).text
        assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", text)
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


async def test_static_files_are_kept_for_ever_under_an_address_that_changes_with_them(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/sign-in")).text
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(found) >= 5
    for url in found:
        answer = await client.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    stale = await client.get("/static/app.css?v=0123456789abcdef")
    assert (stale.status_code, stale.headers["cache-control"]) == (200, "no-cache")
    again = await client.get("/static/app.css", headers={"If-None-Match": stale.headers["etag"]})
    assert again.status_code == 304
    assert (await client.get("/static/../site.py")).status_code == 404
    assert (await client.get("/static/nothing.css")).status_code == 404


def test_the_vendored_htmx_is_the_published_one() -> None:
    folder = Path(assets.__file__).parent / "static" / "vendor"
    assert hashlib.sha256((folder / "htmx-2.0.11.min.js").read_bytes()).hexdigest() == HTMX_SHA256
    assert "Zero-Clause BSD" in (folder / "htmx-LICENSE.txt").read_text(encoding="utf-8")


async def test_browsers_get_errors_as_pages_and_clients_as_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers=PAGE)
    assert answer.status_code == 404
    assert "There is no page with this address." in answer.text
    answer = await client.get("/nowhere")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = await client.get("/api/v1/me", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


async def test_a_crash_is_a_page_too_and_tells_nothing_of_its_cause(app: FastAPI) -> None:
    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("the secret cause")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
        answer = await client.get("/crash", headers=PAGE)
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers
