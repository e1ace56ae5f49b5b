"""Every error code is unique, explained, and reached from the problem that carries it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from expenses.error_codes import classes, entries

if TYPE_CHECKING:
    from fastapi import FastAPI
    from tests.people import Person

pytestmark = pytest.mark.anyio

NGINX = Path(__file__).parents[1] / "nginx" / "answers"


def own_classes() -> list[type]:
    return [kind for kind in classes() if kind.__module__.startswith("expenses.")]


@pytest.mark.usefixtures("app")  # which imports every noun
async def test_no_two_error_classes_share_a_code() -> None:
    without = [kind.__name__ for kind in own_classes() if "code" not in vars(kind)]
    assert without == [], "each class says its own `code`"
    counted = Counter(kind.code for kind in classes() if kind in own_classes())
    assert [code for code, number in counted.items() if number > 1] == []
    assert [code for code in counted if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []


async def test_every_code_is_listed_with_status_meaning_and_remedy(client: httpx.AsyncClient) -> None:
    page = await client.get("/api/errors")
    assert page.status_code == 200
    assert "content-security-policy" in page.headers
    for kind in classes():
        assert f'id="{kind.code}"' in page.text
    for entry in entries():
        assert entry.meaning.endswith((".", "!")), entry
        assert entry.remedy.endswith("."), entry
        assert 400 <= entry.status <= 599


async def test_the_type_of_a_problem_leads_to_its_entry(client: httpx.AsyncClient, anna: Person) -> None:
    for answer in (
        await client.get("/api/v1/me"),
        await client.get("/nowhere"),
        await client.put("/api/v1/me"),
        await client.get(f"{anna.url}/expenses?limit=0", headers=anna.headers),
        await client.post(f"{anna.url}/expenses", content=b"{", headers=anna.headers),
    ):
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        path, _, code = problem["type"].partition("#")
        assert code == problem["code"]
        assert (problem["status"], problem["title"]) == (answer.status_code, code.replace("_", " "))
        assert f'id="{code}"' in (await client.get(path)).text


async def test_a_crash_is_a_problem_that_tells_nothing_of_its_cause(app: FastAPI) -> None:
    @app.get("/api/v1/crash")
    async def crash() -> None:
        raise RuntimeError("the secret cause")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
        answer = await client.get("/api/v1/crash")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.usefixtures("app")
async def test_nginxs_own_answers_have_listed_codes() -> None:
    listed = {entry.code: entry.status for entry in entries()}
    for file in NGINX.glob("*.json"):
        problem = json.loads(file.read_text(encoding="utf-8"))
        assert listed[problem["code"]] == problem["status"]
        assert problem["type"] == f"/api/errors#{problem['code']}"
