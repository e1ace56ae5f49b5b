"""What the tests of the doctor share: ask it, and carry out literally what it prints."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from projects import BIN, Project, finish

from tidegate.doctor.examination import examine
from tidegate.doctor.finding import KINDS
from tidegate.doctor.report import Report
from tidegate.report.target import find_target

PARTITIONED = (
    "CREATE TABLE part (id int, v int) PARTITION BY RANGE (id);"
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);"
    'CREATE TABLE "Part 2" PARTITION OF part FOR VALUES FROM (10) TO (20);'
    "INSERT INTO part SELECT n, n % 5 FROM generate_series(0, 19) n"
)
"""A table with two partitions."""


def findings(project: Project, older_than_s: float = 300.0) -> list[dict[str, Any]]:
    """What `tidegate doctor` finds, without the time that a process of its own takes to start."""
    with contextlib.chdir(project.folder):
        target = find_target(database_url=project.url)
        report = Report(examine(target, older_than_s=older_than_s), [])
    found: list[dict[str, Any]] = report.as_json()["findings"]
    for finding in found:
        assert bool(finding["fix"]) == KINDS[finding["kind"]].is_fixable
    return found


def kinds(project: Project, older_than_s: float = 300.0) -> list[str]:
    """The kinds of what it finds."""
    return [finding["kind"] for finding in findings(project, older_than_s=older_than_s)]


def only(project: Project, kind: str, older_than_s: float = 300.0) -> dict[str, Any]:
    """The one finding of a kind, which must be there once."""
    (finding,) = [finding for finding in findings(project, older_than_s=older_than_s) if finding["kind"] == kind]
    assert finding["why"]
    assert finding["hint"]
    return finding


def obey(project: Project, finding: dict[str, Any]) -> None:
    """Execute the commands of a finding exactly as they are printed: SQL on the server, the rest in a shell."""
    assert finding["commands"], finding
    for command in finding["commands"]:
        if command.endswith(";"):
            project.query(command)
            continue
        process = project.start(["sh", "-c", command], PATH=f"{BIN}:{os.environ['PATH']}")
        result = finish(process)
        assert result.code in {0, 15}, f"{command}\n{result.err}"  # 15: a doctor that found other damage


def mended_by_its_own_command(project: Project, kind: str, older_than_s: float = 300.0) -> dict[str, Any]:
    """The one finding of a kind, after its commands have made it go away."""
    finding = only(project, kind, older_than_s=older_than_s)
    obey(project, finding)
    assert kind not in kinds(project, older_than_s=older_than_s)
    return finding


def mended_by_fix(project: Project, kind: str) -> None:
    """`--fix` says what it will execute, executes that, and the finding is gone."""
    finding = only(project, kind)
    assert finding["fix"]
    result = project.tidegate("doctor", "--fix", "--format", "json")
    assert [mended["kind"] for mended in result.json()["mended"]] == [kind], result.err
    assert finding["fix"][0] in result.err
    assert kind not in {left["kind"] for left in result.json()["findings"]}
