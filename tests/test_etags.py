"""Who has the current version already is told so, and nothing more; nothing of the API is stored on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

pytestmark = pytest.mark.anyio

BODY = {"spent_on": "2026-11-01", "amount": {"value": "1.00", "currency": "EUR"}, "merchant": "x"}


async def test_the_current_version_is_not_sent_again(client: httpx.AsyncClient, anna: Person) -> None:
    made = await client.post(f"{anna.url}/expenses", json=BODY, headers=anna.headers)
    url, tag = made.headers["Location"], made.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await client.get(url, headers=anna.headers | {"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag), known
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Length" not in answer.headers
    for other in ('"7"', "", "nonsense"):
        answer = await client.get(url, headers=anna.headers | {"If-None-Match": other})
        assert (answer.status_code, answer.json()) == (200, made.json()), other


async def test_a_changed_version_is_sent(client: httpx.AsyncClient, anna: Person) -> None:
    made = await client.post(f"{anna.url}/expenses", json=BODY, headers=anna.headers)
    url, known = made.headers["Location"], anna.headers | {"If-None-Match": made.headers["ETag"]}
    await client.patch(url, json={"note": "new"}, headers=anna.headers)
    answer = await client.get(url, headers=known)
    assert (answer.status_code, answer.json()["note"]) == (200, "new")


async def test_an_error_is_never_hidden_behind_a_version(client: httpx.AsyncClient, anna: Person) -> None:
    made = await client.post(f"{anna.url}/expenses", json=BODY, headers=anna.headers)
    answer = await client.get(made.headers["Location"], headers={"If-None-Match": "*"})
    assert answer.status_code == 401


async def test_no_answer_of_the_api_is_stored_on_the_way(client: httpx.AsyncClient, anna: Person) -> None:
    for path in ("/api/v1/me", f"{anna.url}/expenses", "/api/v1/nowhere", "/api/openapi.json"):
        answer = await client.get(path, headers=anna.headers)
        assert answer.headers["Cache-Control"] == "no-store", path
