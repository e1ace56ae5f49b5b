"""Who may be in the way beside an application: autovacuum, and a prepared transaction that no process holds."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest
from projects import until
from tools.postgres import Cluster, temporary_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from projects import Project

pytestmark = pytest.mark.deep

VACUUMING = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 'account'::regclass"


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], Cluster]]:
    """A server that vacuums every second and takes prepared transactions."""
    cluster = temporary_cluster(autovacuum_naptime="1s", max_prepared_transactions="5").start()
    yield lambda _: cluster
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)


def test_autovacuum_in_the_way_is_sent_away_by_the_server_and_nobody_waits(project: Project) -> None:
    project.query(
        "CREATE TABLE account (id int, n int) WITH (autovacuum_vacuum_cost_delay = 100, "
        "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)"
    )
    project.query(
        "INSERT INTO account SELECT g, g FROM generate_series(1, 50000) g; DELETE FROM account WHERE id % 2 = 0"
    )
    project.add("a", 'op.execute("ALTER TABLE account ADD COLUMN x int")')
    until(lambda: project.query(VACUUMING), timeout=40, what="autovacuum at work")
    began = time.monotonic()
    result = project.tidegate("upgrade", "--retry-for", "20s")
    assert result.code == 0, result.err
    assert time.monotonic() - began < 18, "before its time was up"
    assert "autovacuum worker" in result.err


def test_a_prepared_transaction_in_the_way_is_named_with_its_end(project: Project) -> None:
    project.query("CREATE TABLE account (id int)")
    project.add("a", 'op.execute("ALTER TABLE account ADD COLUMN x int")')
    with project.connection() as connection:
        cursor = connection.cursor()
        for statement in ("BEGIN", "SELECT * FROM account", "PREPARE TRANSACTION 'forgotten'"):
            cursor.execute(statement)
        time.sleep(0.2)
        result = project.tidegate("upgrade", "--retry-for", "0.5s")
        cursor.execute("ROLLBACK PREPARED 'forgotten'")
    assert result.code == 10
    assert "transaction (`forgotten` of postgres, open for" in result.err
    assert "`ROLLBACK PREPARED 'forgotten'`" in result.err
    assert project.tidegate("upgrade").code == 0
