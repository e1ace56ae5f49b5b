"""The two applications of the examples, run by real servers on a real database."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from projects import BIN, Project, until
from tools.postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.deep

APP = Path(__file__).parent.parent / "examples" / "app"

SERVERS: dict[str, Callable[[int], list[str]]] = {
    "fastapi": lambda port: ["uvicorn", "--factory", "fastapi_app:create_app", "--port", str(port)],
    "flask": lambda port: ["flask", "--app", "flask_app", "run", "--port", str(port)],
}


def get(port: int, path: str) -> tuple[int, Any]:
    """Status and JSON; 0 while nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, json.load(exc)
    except OSError:
        return 0, None


@pytest.fixture
def example(project: Project) -> Project:
    """The example's files in place of the project's own."""
    shutil.rmtree(project.folder / "migrations")
    shutil.copytree(APP, project.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return project


@pytest.mark.parametrize("server_of", SERVERS.values(), ids=SERVERS)
def test_the_application_is_kept_off_an_empty_database_and_opens_by_itself(
    example: Project, server_of: Callable[[int], list[str]]
) -> None:
    port = free_port()
    program, *arguments = server_of(port)
    process = example.start([str(BIN / "tidegate"), "run", "--", str(BIN / program), *arguments], RUN_MIGRATIONS="no")
    try:
        until(lambda: get(port, "/livez")[0] == 200, what="it lives")
        assert get(port, "/readyz") == (503, {"state": "empty"})
        status, body = get(port, "/visits")
        assert (status, body["state"], body["pending"]) == (503, "empty", ["0001"])
        assert example.tidegate("upgrade").code == 0
        until(lambda: get(port, "/readyz") == (200, {"state": "current"}), what="it opens")
        assert get(port, "/visits") == (200, {"visits": 1})
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_the_operators_word_migrates_the_example_before_it_serves(example: Project) -> None:
    done = example.tidegate("run", "--", str(BIN / "tidegate"), "status", "--format", "json", RUN_MIGRATIONS="yes")
    assert (done.code, done.json()["state"]) == (0, "current")
    assert example.run("alembic", "downgrade", "base").code == 0, "its table is empty, so nothing is lost"
