"""What `.ci/run` believes: the reports of the tests, never silence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools import wheel
from tools.junit import complaint

ROOT = Path(__file__).resolve().parents[2]

PASSED = "<testcase name='a'/>"
FAILED = "<testcase name='b'><failure/></testcase>"
BROKEN = "<testcase name='c'><error/></testcase>"
SKIPPED = "<testcase name='d'><skipped/></testcase>"


def report(folder: Path, *cases: str, name: str = "report") -> Path:
    path = folder / f"{name}.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cases", "wrong"),
    [
        ((), "no test ran"),
        ((SKIPPED,), "no test ran"),
        ((PASSED, FAILED), "1 tests failed"),
        ((PASSED, BROKEN), "1 tests failed"),
        ((PASSED, SKIPPED), "1 tests were skipped, and here each one counts"),
        ((PASSED,), ""),
    ],
)
def test_a_part_counts_only_when_its_tests_ran(tmp_path: Path, cases: tuple[str, ...], wrong: str) -> None:
    assert complaint(report(tmp_path, *cases), none_skipped=True) == wrong


def test_elsewhere_a_skipped_test_is_no_fault(tmp_path: Path) -> None:
    assert complaint(report(tmp_path, PASSED, SKIPPED), none_skipped=False) == ""


def test_a_missing_report_is_a_fault(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.xml", none_skipped=False).startswith("no report")


def test_the_last_line_is_the_total_over_all_reports(tmp_path: Path) -> None:
    reports = [report(tmp_path, PASSED, PASSED, SKIPPED, name="one"), report(tmp_path, FAILED, BROKEN, name="two")]
    command = [sys.executable, str(ROOT / "tools" / "junit.py"), "--total", *map(str, reports)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "2 passed, 2 failed, 1 skipped\n"


def test_what_ci_leaves_out_of_one_part_is_in_another() -> None:
    """Tidegate's tests run in CI with the wheel alone: that leaves out no kind that `make test` has."""
    script = (ROOT / ".ci" / "run").read_text()
    assert "make test ARGS=tests" in script
    assert "TIDEGATE_ROUNDS=20 tests test-tidegate-wheel" in script
    here = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("HERE := "))
    left_out = set(re.findall(r"not (\w+)", here))
    assert set(re.findall(r"not (\w+)", wheel.HERE)) <= left_out
    assert "deep" not in wheel.HERE
    for kind in left_out - {"deep"}:  # which the wheel has
        assert re.search(rf"^tests test-{kind}\b", script, re.MULTILINE), kind
