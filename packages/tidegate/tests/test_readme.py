"""The README lists the verbs, and what it links to is there."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from tidegate import commands

IN_TREE = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    """The README in the tree, or else as the wheel carries it."""
    return IN_TREE.read_text() if IN_TREE.exists() else str(metadata.metadata("tidegate").json["description"])


def test_every_verb_is_listed_and_no_other(readme: str) -> None:
    listed = set(re.findall(r"^\| `tidegate (\w+)", readme, re.MULTILINE))
    assert listed == set(commands.tidegate.commands)


def test_the_first_screen_holds_the_lines_of_today_and_the_one_that_replaces_them(readme: str) -> None:
    first_screen = "\n".join(readme.splitlines()[:45])
    assert [line for line in range(1, 6) if f"# {line}\n" not in first_screen] == []
    assert "tidegate run -- " in first_screen


def test_every_page_that_is_linked_is_there(readme: str) -> None:
    linked = re.findall(r"\]\(((?:docs|examples)/[^)#]+)", readme)
    assert linked
    assert [path for path in linked if not (Path(__file__).parent.parent / path).exists()] == []


def test_every_test_that_a_page_names_is_there() -> None:
    folder = Path(__file__).parent
    page = (folder.parent / "docs" / "how-it-works.md").read_text()
    there = {
        name
        for path in folder.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    named = re.findall(r"`(test_\w+)`", page)
    assert named
    assert [name for name in named if name not in there] == []
