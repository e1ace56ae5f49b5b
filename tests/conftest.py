"""One PostgreSQL for the whole test run, and a fresh, migrated database for each test that asks for one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tools.postgres import Cluster, temporary_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The embedded PostgreSQL 18, empty."""
    server = temporary_cluster()
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def execute(url: str, statement: str) -> None:
    """Run one statement in autocommit mode."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()
