"""`tidegate history`: what operators ask of the record, and that it outlives a downgrade to nothing."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from conftest import new_project
from projects import DOORS, Project, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.postgres import Cluster

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def eventful(servers: Callable[[str], Cluster], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Four runs: to a, failed at b, b and c, and back to nothing."""
    with new_project(servers("embedded"), tmp_path_factory.mktemp("eventful")) as project:
        _make_history(project)
        yield project


def _make_history(project: Project) -> None:
    project.add_table("a1")
    bad = project.add("b2", 'op.execute("SELECT 1/0")', down="a1", phase="expand")
    project.add("c3", "pass", down="b2")
    assert project.tidegate("upgrade", "a1", "--before", f"echo saved  # {'x' * 80}").code == 0
    assert project.tidegate("upgrade").code == 10
    bad.write_text(bad.read_text().replace("1/0", "1"))
    assert project.tidegate("upgrade", TIDEGATE_APP_VERSION="1.4.2").code == 0
    assert project.tidegate("downgrade", "base").code == 0


@pytest.fixture
def ids(eventful: Project) -> Callable[..., list[int]]:
    def ask(*arguments: str) -> list[int]:
        result = eventful.tidegate("history", "--format", "json", *arguments)
        assert result.code == 0, result.err
        return [run["id"] for run in result.json()["runs"]]

    return ask


def test_a_history_after_downgrade_base_shows_every_run(eventful: Project, ids: Callable[..., list[int]]) -> None:
    assert eventful.at() == []
    assert ids() == [4, 3, 2, 1]
    text = eventful.tidegate("history").out
    assert max(map(len, text.splitlines())) <= 100
    lines = [line.split("  20")[0] for line in text.splitlines()]
    assert [line for line in lines if line.startswith("run")] == [
        "run 4  succeeded", "run 3  succeeded", "run 2  failed", "run 1  succeeded",
    ]  # fmt: skip
    signs = [line.split()[:2] for line in lines if line.strip()[0] in "+-"]
    assert signs == [["-", "c3"], ["-", "b2"], ["-", "a1"], ["+", "b2"], ["+", "c3"], ["+", "a1"]]
    assert "    error: revision `b2` failed and was rolled back: division by zero (SQLSTATE 22012)" in lines
    assert next(line for line in lines if "before: exit code 0" in line).endswith("xxx…")


def test_runs_are_found_by_outcome_time_revision_and_number(eventful: Project, ids: Callable[..., list[int]]) -> None:
    assert ids("--limit", "2") == [4, 3]
    assert ids("--outcome", "failed") == [2]
    assert ids("--outcome", "killed") == []
    assert ids("--revision", "b2") == [4, 3, 2], "the one that failed at it is among them"
    assert ids("--revision", "a") == [4, 1], "its beginning is enough"
    assert ids("--run", "3") == [3]
    eventful.query("UPDATE tidegate.run SET started_at = started_at - interval '3 days' WHERE id < 3")
    assert ids("--since", "1h") == ids("--since", "2d") == [4, 3]
    assert ids("--since", "2001-01-01") == ids("--since", "2001-01-01T10:30+02:00") == [4, 3, 2, 1]
    assert ids("--since", "2d", "--outcome", "failed") == []


def test_one_run_is_shown_whole(eventful: Project) -> None:
    text = eventful.tidegate("history", "--run", "2").out
    for words in (
        "command    tidegate upgrade",
        "from       a1",
        "to         a1",
        "attempts   1",
        "statement: SELECT 1/0",
    ):
        assert words in text
    text = eventful.tidegate("history", "--run", "3").out
    assert "version    1.4.2, tidegate " in text
    assert "    + b2 (expand)\n" in text
    missing = eventful.tidegate("history", "--run", "99")
    assert (missing.code, "there is no run 99" in missing.err) == (64, True)
    assert eventful.tidegate("history", "--since", "yesterday").code == 64


def test_an_empty_record_says_why_it_is_empty(project: Project) -> None:
    assert "nothing was migrated here yet" in project.tidegate("history").out
    project.add_table("a")
    project.write_env(guard=False)
    assert project.run("alembic", "upgrade", "head").code == 0
    assert "the database is at `a`, and was migrated without tidegate" in project.tidegate("history").out
    assert project.tidegate("history", "--format", "json").json() == {"runs": []}


def test_a_run_that_was_killed_is_not_shown_as_running(project: Project) -> None:
    project.add_table("a", seconds=30)
    run = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the run is at work")
    assert project.tidegate("history").out.startswith("run 1  running")
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    until(lambda: not project.sleepers(), what="the server has noticed")
    assert project.tidegate("history", "--outcome", "killed").out.startswith("run 1  killed")
    assert project.tidegate("history", "--outcome", "running").out.startswith("no run on record is like that")
