"""The log: one line a request, the same id everywhere, and nothing personal."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.conftest import operators_session
from tests.people import PASSWORD

from expenses import logs

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send
    from tests.people import Person

pytestmark = pytest.mark.anyio


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


async def test_a_request_is_one_line_with_method_path_status_and_duration(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.get("/api/v1/me")
    (line,) = lines(capsys)
    assert (line["method"], line["path"], line["status"], line["level"]) == ("GET", "/api/v1/me", 401, "info")
    assert line["ms"] >= 0


async def test_nothing_personal_is_written_down(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    form = {"username": "geheim@example.org", "password": "hunter2-hunter2"}
    await client.post("/api/v1/auth/token?q=geheim", data=form, headers={"Authorization": "Bearer exp_geheim"})
    out = capsys.readouterr()
    assert "/api/v1/auth/token" in out.out
    assert "geheim" not in out.out + out.err
    assert "hunter2" not in out.out + out.err


async def test_no_line_of_a_whole_scenario_tells_of_anybody(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = ("geheim", PASSWORD, "Praxis", "Befund", "Zahnersatz")
    form = {"email": "geheim@example.org", "password": PASSWORD, "display_name": "Geheim"}
    home = (await client.post("/api/v1/auth/register", json=form)).json()["workspace"]["id"]
    await client.post("/api/v1/auth/register", json=form)  # taken
    credentials = {"username": "geheim@example.org", "password": PASSWORD}
    token = (await client.post("/api/v1/auth/token", data=credentials)).json()["access_token"]
    await client.post("/api/v1/auth/token", data=credentials | {"password": "Befund-Befund"})
    client.headers["Authorization"] = f"Bearer {token}"
    url = f"/api/v1/workspaces/{home}"
    body = {"spent_on": "2026-11-01", "amount": {"value": "1.00", "currency": "EUR"}, "merchant": "Praxis Befund"}
    keyed = {"Idempotency-Key": "Praxis-1"}
    await client.post(f"{url}/expenses", json=body | {"note": "Zahnersatz"}, headers=keyed)
    made = await client.post(f"{url}/expenses", json=body | {"note": "Zahnersatz"}, headers=keyed)
    assert made.status_code == 201
    for wrong in ({"note": 7}, {"merchant": "Praxis" * 99}, {"Zahnersatz": 1}, {"payer_id": home}):
        assert (await client.post(f"{url}/expenses", json=body | wrong)).status_code == 422
    await client.patch(made.headers["Location"], json={"tags": ["Befund"]}, headers={"If-Match": '"9"'})
    await client.get(f"{url}/expenses", params={"q": "Praxis"})
    await client.get(f"{url}/expenses?cursor=Befund")
    await client.get("/sign-in?next=/Praxis", headers={"Accept": "text/html", "Cookie": "x=Befund"})
    await client.post("/sign-in", data={"email": "geheim@example.org", "password": PASSWORD})
    await client.delete(made.headers["Location"])
    out = capsys.readouterr()
    assert out.out.count('"event": "request"') >= 14
    assert [each for each in (*secrets, token) if each.lower() in (out.out + out.err).lower()] == []


async def test_a_crash_is_logged_with_its_place_and_kind_but_not_with_what_it_says(
    app: FastAPI, anna: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json")
    try:
        async with operators_session(app) as session:
            await session.execute(
                text("INSERT INTO user_account SELECT gen_random_uuid(), email FROM user_account WHERE id = :id"),
                {"id": anna.user.id},
            )
    except DBAPIError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (line,) = lines(capsys)
    assert "test_logs.py" in line["exception"]
    assert "IntegrityError" in line["exception"]
    assert "SQLSTATE 23" in line["exception"]
    assert "anna@example.org" not in json.dumps(line)


async def test_the_proxys_id_is_in_the_log_the_answer_and_the_record(
    client: httpx.AsyncClient, anna: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"spent_on": "2026-11-01", "amount": {"value": "1.00", "currency": "EUR"}, "merchant": "x"}
    headers = anna.headers | {"X-Request-ID": "0123456789abcdef"}
    answer = await client.post(f"{anna.url}/expenses", json=body, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["X-Request-ID"] == "0123456789abcdef"
    assert lines(capsys)[-1]["request_id"] == "0123456789abcdef"
    events = await client.get(f"{anna.url}/audit", headers=anna.headers)
    assert "0123456789abcdef" in events.text


@pytest.mark.parametrize("forged", ["", "x", 'a" , "level": "error', "ä" * 10, "x" * 65])
async def test_an_id_that_could_forge_a_line_is_replaced(client: httpx.AsyncClient, forged: str) -> None:
    answer = await client.get("/livez", headers=[(b"X-Request-ID", forged.encode())])
    assert logs._SOUND_ID.fullmatch(answer.headers["X-Request-ID"])
    assert answer.headers["X-Request-ID"] != forged


async def test_health_checks_do_not_fill_the_log(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("/livez", "/readyz", "/health"):
        await client.get(path)
    assert lines(capsys) == []


def test_uvicorns_lines_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    logging.getLogger("uvicorn.error").warning("it is %s", "late")
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("it is late", "warning")


def test_the_console_form_is_for_eyes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console")
    structlog.get_logger("expenses").info("request", path="/x")
    out = capsys.readouterr().out
    assert "path=/x" in out
    assert "{" not in out
    logs.configure("json")


@pytest.mark.parametrize("form", ["json", "console"])
async def test_the_line_of_a_request_has_the_form_of_all_others(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        structlog.get_logger("expenses").info("request", method="GET", path="/x", status=204, ms=0.0)
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def nothing(*_: object) -> Any:  # noqa: ANN401 - receives and sends
        return {}

    logs.configure(form)
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    await logs.RequestLog(app, as_json=form == "json")(scope, nothing, nothing)
    logs.configure("json")
    line, ours = capsys.readouterr().out.splitlines()
    if form == "json":
        told, other = json.loads(ours), json.loads(line)
        assert told.keys() == other.keys()
        assert {**told, "ms": 0.0, "timestamp": ""} == {**other, "timestamp": ""}
        assert datetime.fromisoformat(told["timestamp"]) >= datetime.fromisoformat(other["timestamp"])
    else:
        assert re.sub(r"ms=[0-9.]+", "ms=0.0", ours).split()[1:] == line.split()[1:]
