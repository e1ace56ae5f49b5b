"""Revisions that fork: for a backfill on several processors, and by mistake."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from projects import BIN, until

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep

OWN_CONNECTION = (
    "import multiprocessing\n"
    "    def fill(n):\n"
    "        engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)\n"
    "        with engine.begin() as connection:\n"
    "            connection.exec_driver_sql('LOCK TABLE part IN ROW EXCLUSIVE MODE')\n"
    "            connection.exec_driver_sql(f'INSERT INTO part VALUES ({n}, pg_backend_pid())')\n"
    "@MORE@"
    "    children = [multiprocessing.get_context('fork').Process(target=fill, args=(n,)) for n in range(2)]\n"
    "    [child.start() for child in children]; [child.join() for child in children]\n"
    "    assert [child.exitcode for child in children] == [0, 0]"
)


def test_processes_that_a_revision_forks_may_work_on_connections_of_their_own(project: Project) -> None:
    project.query("CREATE TABLE part (n int, pid int)")
    project.add("a", OWN_CONNECTION.replace("@MORE@", ""))
    result = project.tidegate("upgrade", timeout=30)
    assert result.code == 0, result.err
    assert project.query("SELECT n FROM part ORDER BY n") == [(0,), (1,)]


def test_a_forked_process_that_uses_the_connection_of_the_revision_is_ended_and_does_no_harm(project: Project) -> None:
    project.add(
        "a",
        "import os\n    op.execute('CREATE TABLE before (id int)')\n"
        "    child = os.fork()\n    if child: os.waitpid(child, 0)\n"
        "    op.execute('CREATE TABLE behind (id int)')",
    )
    result = project.tidegate("upgrade", timeout=30)
    assert result.code == 0, result.err
    assert "let it open one of its own" in result.err
    assert project.query("SELECT count(*) FROM pg_tables WHERE tablename IN ('before', 'behind')") == [(2,)]
    assert project.at() == ["a"]


def test_a_forked_process_that_leaves_through_alembic_does_not_roll_the_revision_back(project: Project) -> None:
    project.add(
        "a",
        "import os, sys\n    op.execute('CREATE TABLE before (id int)')\n"
        "    child = os.fork()\n    if not child: sys.exit(0)\n    os.waitpid(child, 0)",
    )
    result = project.tidegate("upgrade", timeout=30)
    assert result.code == 0, result.err
    assert project.query("SELECT to_regclass('before') IS NOT NULL") == [(True,)]


def test_forked_processes_do_not_outlive_a_run_that_is_killed(project: Project) -> None:
    project.query("CREATE TABLE part (n int, pid int)")
    project.add("a", OWN_CONNECTION.replace("@MORE@", "        import time; time.sleep(60)\n"))
    process = project.start([str(BIN / "tidegate"), "upgrade"])
    until(lambda: len(project.query("SELECT n FROM part")) == 2)
    fences = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    assert project.query(fences)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)  # its pipes are open as long as one of the processes lives
    until(lambda: not project.query(fences), timeout=3)
