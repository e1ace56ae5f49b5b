"""The page about threats names a test for each thing that it says is stopped, and every test it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"

NAMED = re.compile(r"`((?:packages/tidegate/)?tests/[\w/]+\.py)(?:::(\w+))?`")


def rows() -> list[str]:
    """The lines of the page's tables, without their heads."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith(("| what", "| ---"))]


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 60
    missing = []
    for file, test in named:
        path = ROOT / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else None
        there = (
            {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
            if tree
            else set()
        )
        if tree is None or (test and test not in there):
            missing.append(f"{file}::{test}")
    assert missing == []


def test_every_row_names_a_test_or_says_that_nothing_stops_it() -> None:
    bare = [row for row in rows() if not NAMED.search(row) and "**not stopped**" not in row]
    assert len(rows()) > 40
    assert bare == []


def test_the_page_about_security_leads_there() -> None:
    assert "(docs/threat-model.md)" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
