"""The log: one line a request, the same id everywhere, and nothing personal."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from expenses import logs

if TYPE_CHECKING:
    import httpx
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
    logs._log.info("request", path="/x")
    out = capsys.readouterr().out
    assert "path=/x" in out
    assert "{" not in out
    logs.configure("json")
