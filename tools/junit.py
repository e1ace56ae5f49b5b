"""Reads the reports that the tests wrote: counts them, and says whether tests ran at all.

    junit.py [--none-skipped] REPORT        fails when the report is missing, shows no test, or shows skipped ones
    junit.py --total REPORT…                one line, `N passed, N failed, N skipped`, over all reports

Counts come from the reports, never from what a runner printed. Needs no environment: `.ci/run` calls it also when
the setup of one has failed.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Counts:
    """How many tests ended how. An error in a test's surroundings counts as a failed test."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def line(self) -> str:
        """The counts as test runners say them."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count(report: Path) -> Counts:
    """What one report shows; raises `OSError` or `ET.ParseError` when it cannot be read."""
    total = Counts()
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own test run wrote it
        if case.find("failure") is not None or case.find("error") is not None:
            total += Counts(failed=1)
        elif case.find("skipped") is not None:
            total += Counts(skipped=1)
        else:
            total += Counts(passed=1)
    return total


def complaint(report: Path, *, none_skipped: bool) -> str:
    """What is wrong with a report; empty when nothing is."""
    try:
        counts = count(report)
    except (OSError, ET.ParseError) as exc:
        return f"no report of the tests: {exc}"
    if counts.failed:
        return f"{counts.failed} tests failed"
    if not counts.passed:
        return "no test ran"
    if none_skipped and counts.skipped:
        return f"{counts.skipped} tests were skipped, and here each one counts"
    return ""


def main(arguments: list[str]) -> int:
    """Judge one report or total all; the exit code."""
    reports = [Path(name) for name in arguments if not name.startswith("--")]
    if "--total" in arguments:
        readable = [report for report in reports if report.exists()]
        print(sum((count(report) for report in readable), Counts()).line())
        return 0 if readable else 1
    for report in reports:
        wrong = complaint(report, none_skipped="--none-skipped" in arguments)
        print(f"{report.name}: {wrong or count(report).line()}")
        if wrong:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
