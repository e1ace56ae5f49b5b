"""The scores that our answers are held to are those of Mozilla's table: what it marks down is marked down here.

Through nginx, where all headers are complete: `tests/stack`. Here are the rules, and the pages as the
service sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browsing import PAGE
from tests.observatory import complaints, score

if TYPE_CHECKING:
    import httpx

HSTS = ("Strict-Transport-Security", "max-age=63072000")

GOOD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Set-Cookie": "__Host-a=b; Path=/; Secure; HttpOnly; SameSite=Lax",
} | dict([HSTS])


def test_an_answer_with_nothing_is_a_d_and_a_good_one_has_every_bonus() -> None:
    assert (score([]).points, score([]).grade) == (30, "D")
    assert (score(GOOD.items()).points, score(GOOD.items()).grade) == (125, "A+")
    assert complaints(GOOD.items()) == []


@pytest.mark.parametrize(
    ("name", "value", "points"),
    [
        ("Content-Security-Policy", "default-src 'none'; script-src 'self' 'unsafe-inline'", 80),
        ("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-eval'", 100),
        ("Content-Security-Policy", "script-src 'self'", 80),
        ("Content-Security-Policy", "default-src 'none'; img-src http://x", 80),
        ("Strict-Transport-Security", "max-age=3600", 115),
        ("Strict-Transport-Security", "", 80),
        ("Referrer-Policy", "unsafe-url", 115),
        ("X-Content-Type-Options", "none", 120),
        ("Cross-Origin-Resource-Policy", "cross-origin", 80),
        ("Access-Control-Allow-Origin", "*", 50),
        ("Set-Cookie", "__Host-a=b; Path=/; HttpOnly; SameSite=Lax", 110),
        ("Set-Cookie", "__Host-a=b; Path=/; Secure; SameSite=Lax", 70),
        ("Set-Cookie", "__Host-a=b; Path=/; Secure; HttpOnly; SameSite=None", 80),
    ],
)
def test_each_weakness_costs_what_the_table_says(name: str, value: str, points: int) -> None:
    assert score((GOOD | {name: value}).items()).points == points
    assert complaints((GOOD | {name: value}).items()) != []


def test_scripts_from_elsewhere_and_headers_said_twice_are_complained_of() -> None:
    page = [*GOOD.items(), ("Content-Type", "text/html")]
    assert score(page, '<script src="https://cdn.example/x.js"></script>').points == 120
    assert score(page, '<script src="http://cdn.example/x.js"></script>').points == 50
    assert complaints([*GOOD.items(), ("X-Content-Type-Options", "nosniff")]) == [
        "x-content-type-options is said twice"
    ]
    assert complaints((GOOD | {"Set-Cookie": "a=b; Path=/; Secure; HttpOnly; SameSite=Lax"}).items()) != []


@pytest.mark.anyio
async def test_every_page_is_an_a_plus_before_nginx_adds_anything_but_hsts(client: httpx.AsyncClient) -> None:
    for path in ("/sign-in", "/register", "/nowhere", "/api/errors"):
        answer = await client.get(path, headers=PAGE)
        assert complaints([*answer.headers.multi_items(), HSTS], answer.text) == [], path
