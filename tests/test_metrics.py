"""`/metrics`: what the operator's monitoring reads, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr
from tests.people import People

from expenses.app import create_app

if TYPE_CHECKING:
    from expenses.config import Settings

pytestmark = pytest.mark.anyio

TOKEN = {"Authorization": "Bearer let-me-see"}


async def test_requests_pool_and_gate_are_told_without_anything_personal(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"metrics_token": SecretStr("let-me-see")}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://testserver") as client,
    ):
        anna = await People(app).sign_up()
        await client.get(f"{anna.url}/expenses", headers=anna.headers)
        await client.get("/api/v1/made-up")
        await client.request("BREW", "/api/v1/me")
        answer = await client.get("/metrics", headers=TOKEN)
    lines = answer.text.splitlines()
    assert answer.status_code == 200
    route = "/api/v1/workspaces/{workspace_id}/expenses"
    assert f'expenses_http_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in lines
    assert 'expenses_http_requests_total{method="GET",route="none",status="404"} 1.0' in lines
    assert any(line.startswith('expenses_http_requests_total{method="other"') for line in lines)
    assert f'expenses_http_request_duration_seconds_count{{method="GET",route="{route}"}} 1.0' in lines
    assert 'expenses_database_connections{state="in_use"} 0.0' in lines
    assert "expenses_database_connections_limit 10.0" in lines
    assert 'expenses_gate_open{schema="current"} 1.0' in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)
    assert str(anna.workspace.id) not in answer.text
    assert "BREW" not in answer.text


async def test_the_figures_need_their_token(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"metrics_token": SecretStr("let-me-see")}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "let-me-see"}):
            answer = await client.get("/metrics", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        closed = await client.get("/metrics", headers=TOKEN)  # the gate has not looked yet, which is worth knowing
        assert 'expenses_gate_open{schema="none"} 0.0' in closed.text


async def test_without_the_setting_there_are_none(client: httpx.AsyncClient) -> None:
    assert (await client.get("/metrics", headers=TOKEN)).status_code == 404
