"""How PostgreSQL carried out what the service under test asked it, by PostgreSQL's own word (`auto_explain`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.conftest import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgres import Cluster

_FOUND = re.compile(r"LOG:  duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)")
_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_nested_statements": "on",
}
"""Nested ones too: what triggers and foreign keys look up is part of a request's cost."""


@dataclass(frozen=True)
class Plan:
    """One statement, and what was done for it."""

    statement: str
    tree: dict[str, Any]

    @property
    def scanned(self) -> set[str]:
        """Tables that were read from end to end; PostgreSQL's own do not count, where the driver looks types up."""
        names = {node["Relation Name"] for node in nodes(self.tree) if node["Node Type"] == "Seq Scan"}
        return {name for name in names if not name.startswith("pg_")}

    @property
    def blocks(self) -> int:
        """How many blocks of the database were touched."""
        return int(self.tree["Shared Hit Blocks"]) + int(self.tree["Shared Read Blocks"])


class Explainer:
    """Lets a database explain itself to connections that are opened from now on.

    Fill it before: each row's triggers explain themselves too.
    """

    def __init__(self, cluster: Cluster, database: str, **settings: str) -> None:
        self._log = cluster.folder / "server.log"
        self._name = database.rpartition("/")[2]
        self._database = database
        self.set(**_SETTINGS | settings)
        self._seen = self._log.stat().st_size

    def set(self, **settings: str) -> None:
        """Settings of connections that are opened from now on."""
        for name, value in settings.items():
            execute(self._database, f"ALTER DATABASE {self._name} SET {name} = '{value}'")

    def plans(self) -> list[Plan]:
        """What was carried out since the last time that somebody asked."""
        with self._log.open("rb") as log:
            log.seek(self._seen)
            text = log.read()
        self._seen += len(text)
        trees = [json.loads(each) for each in _FOUND.findall(text.decode())]
        return [Plan(tree["Query Text"], tree["Plan"]) for tree in trees]


def nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All steps of a plan."""
    yield tree
    for below in tree.get("Plans", ()):
        yield from nodes(below)
