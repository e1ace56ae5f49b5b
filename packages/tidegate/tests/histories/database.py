"""Databases of one history on one server, and the schema that is in them."""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg2
from projects import finish

from tidegate.report.state import EXIT_CODES

if TYPE_CHECKING:
    from histories.installed import Installed
    from tools.postgres import Cluster

_numbers = itertools.count(1)

_RESTRICT = re.compile(r"^\\(un)?restrict .*\n", re.MULTILINE)
"""What newer programs write around a dump, with a key that is another one each time."""

_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


@dataclass
class Ground:
    """A server for one history: makes databases at the beginning of it, and knows how they must look at its end."""

    installed: Installed
    cluster: Cluster
    _template: str = ""
    _reference: str = field(default="", repr=False)
    _revisions: list[str] = field(default_factory=list, repr=False)

    def new_database(self) -> str:
        """URL of a database on which the package's own command would now call Alembic."""
        if not self._template and self.installed.history.prepare:
            template = self._create("template0")
            self.installed.run("python", "-c", self.installed.history.prepare, url=self.cluster.database_url(template))
            self._template = template
        return self.cluster.database_url(self._create(self._template or "template0"))

    def reference(self) -> str:
        """The schema that the package's own command makes from nothing."""
        if not self._reference:
            url = self.cluster.database_url(self._create("template0"))
            self.installed.run(*self.installed.history.own_command(url), url=url)
            self._reference = self.schema(url)
        return self._reference

    def revisions(self) -> list[str]:
        """Its revisions in order, as tidegate sees them on a database that has none."""
        if not self._revisions:
            status = finish(self.installed.tidegate("status", "--format", "json", url=self.new_database()))
            assert status.code == EXIT_CODES["empty"], status.err
            self._revisions = status.json()["pending"]
        return self._revisions

    def schema(self, url: str) -> str:
        """What `pg_dump --schema-only` says, without tidegate's record and without comments."""
        command = [str(self.cluster.bin_dir / "pg_dump"), "--schema-only", "--exclude-schema=tidegate", url]
        dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return _COMMENT.sub("", _RESTRICT.sub("", dump))

    def _create(self, template: str) -> str:
        name = f"{self.installed.history.name}_{next(_numbers)}"
        execute(self.cluster.url, f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement in autocommit mode; its rows, if it has any."""
    connection = psycopg2.connect(url, application_name="tidegate test")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
