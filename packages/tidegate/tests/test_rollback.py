"""The rollback runbook: its commands, in its order, with the exit codes that it names."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from projects import BIN, Project, finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

PAGE = Path(__file__).parent.parent / "docs" / "rollback.md"


def blocks(*headings: str) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Of these sections, each block: which image, and its commands with their exit codes."""
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        if not section.startswith(headings):
            continue
        for block in re.findall(r"```sh\n# (\w+) image\n(.*?)```", section, re.DOTALL):
            lines = [line.partition(" # exits ") for line in block[1].splitlines()]
            yield block[0], [(command, int(code or 0)) for command, _, code in lines]


@pytest.fixture
def released(project: Project, server: Cluster) -> Project:
    """The old version has been at work; the new one is not out yet."""
    parts = urlsplit(project.url)
    project.environ |= {
        "PATH": f"{BIN}:{server.bin_dir}:{os.environ['PATH']}",
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGDATABASE": parts.path[1:],
    }
    project.add("4f1d", 'op.execute("CREATE TABLE expense (id int)")')
    assert project.tidegate("upgrade").code == 0
    project.query("INSERT INTO expense SELECT generate_series(1, 5)")
    return project


def follow(project: Project, *headings: str) -> None:
    new = project.folder / "migrations" / "versions" / "9c2e.py"
    for image, commands in blocks(*headings):
        if image == "new":
            add, drop = 'op.add_column("expense", sa.Column("note", sa.Text))', 'op.drop_column("expense", "note")'
            project.add("9c2e", add, down="4f1d", downgrade=drop)
        else:
            new.unlink(missing_ok=True)
        for command, code in commands:
            result = finish(project.start(["bash", "-c", command]))
            assert result.code == code, f"{command}: {result.err}"
        if project.query("SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('expense') AND attname = 'note'"):
            project.query("UPDATE expense SET note = 'x'")


def test_the_runbook_leads_back_by_each_of_its_ways(released: Project) -> None:
    follow(released, "Before every", "1.")
    assert released.tidegate("run", "--", "echo", "serving").out == "serving\n", "the old image serves on what is newer"
    assert released.at() == ["9c2e"]
    follow(released, "2.")
    assert released.at() == ["4f1d"]
    assert (released.folder / "before-downgrade.dump").exists()
    released.query("DELETE FROM expense WHERE id > 3")
    follow(released, "3.")
    assert released.at() == ["4f1d"]
    assert released.query("SELECT count(*) FROM expense") == [(5,)]
    assert released.query("SELECT outcome FROM tidegate.run ORDER BY id") == [("succeeded",), ("running",)]


def test_every_command_of_the_page_is_followed() -> None:
    assert len(list(blocks("Before every", "1.", "2.", "3."))) == PAGE.read_text().count("```sh\n") == 7
