"""What runs leave behind: killed ones, half-done revisions, orphans on the server, locks that nobody tends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS
from doctor_cases import findings, kinds, mended_by_fix, mended_by_its_own_command, obey, only
from projects import DOORS, Project, finish, until
from tools.postgres import Cluster, temporary_cluster

from tidegate.database.lock import FENCE, MUTEX
from tidegate.database.record import last_ended, outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.deep

ORPHAN = """
import psycopg2, sys

connection = psycopg2.connect(sys.argv[1], application_name="worker")
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("SELECT pg_advisory_lock_shared(%s)", (int(sys.argv[2]),))
print("ready", flush=True)
cursor.execute("SELECT pg_sleep(60), 'orphan'")
"""


def killed_run(project: Project, door: str = "tidegate upgrade") -> None:
    """A run that was killed, with all that belonged to it, in the second of its revisions."""
    project.add_table("a")
    project.add("b", 'op.execute("SELECT pg_sleep(12)")', down="a")
    run = project.start(DOORS[door])
    until(project.sleepers, what="the run is at work")
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    until(lambda: not project.sleepers(), what="the server has noticed")
    project.add("b", "pass", down="a")


@pytest.fixture
def orphan(project: Project) -> Iterator[int]:
    """A statement behind the fence whose client was killed, and of which the server does not take notice."""
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, project.url, str(FENCE)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (pid,) = until(project.sleepers)
    process.kill()
    process.communicate()
    yield pid
    project.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s", pid)


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_a_killed_run_is_finished_by_the_printed_command(project: Project) -> None:
    killed_run(project, door="tidegate run")
    finding = mended_by_its_own_command(project, "unfinished_run")
    assert finding["commands"] == ["tidegate upgrade"]
    assert "revision `b`" in finding["what"]
    assert (project.at(), project.outcomes()) == (["b"], ["killed", "succeeded"])


def test_a_killed_run_whose_work_is_done_is_mended_by_the_printed_command(project: Project) -> None:
    killed_run(project)
    project.query("UPDATE alembic_version SET version_num = 'b'")  # the kill came between the commit and the record
    finding = mended_by_its_own_command(project, "unfinished_run")
    assert finding["commands"] == ["tidegate doctor --fix"]


BLOCK = "with op.get_context().autocommit_block():\n        op.execute('CREATE TABLE half (id int)')"
"""A part of a revision that is committed before its end."""


def test_a_half_done_revision_is_finished_by_the_printed_command(project: Project) -> None:
    path = project.add("a", f"{BLOCK}\n    op.execute('SELECT 1 / 0')")
    assert project.tidegate("upgrade").code == 10
    assert kinds(project) == ["half_done_step"]
    path.write_text(path.read_text().replace("1 / 0", "1"))
    finding = mended_by_its_own_command(project, "half_done_step")
    assert "revision `a` is half done since run 1; committed: CREATE TABLE half (id int)" in finding["what"]
    assert (findings(project), project.at()) == ([], ["a"])


def test_a_half_done_revision_that_cannot_go_on_says_what_to_do_by_hand(project: Project) -> None:
    project.add("a", "op.execute('CREATE TABLE half (id int); COMMIT'); op.execute('SELECT 1 / 0')")
    assert project.tidegate("upgrade").code == 10
    finding = only(project, "half_done_step")
    assert "cannot go on by itself because of `CREATE TABLE half (id int); COMMIT`" in finding["what"]
    project.add("a", "op.execute('CREATE TABLE half (id int)')")
    project.query("DROP TABLE half")
    by_hand = [text for text in finding["hint"].split("`")[1::2] if text != "alembic stamp"]
    obey(project, finding | {"commands": by_hand})
    assert (findings(project), project.at()) == ([], ["a"])


def test_rows_of_a_half_done_revision_that_plain_alembic_finished_are_removed(project: Project) -> None:
    project.add("a", f"{BLOCK}\n    op.execute('SELECT 1 / 0')")
    assert project.tidegate("upgrade").code == 10
    assert project.run("alembic", "stamp", "a").code == 0
    assert kinds(project) == ["stale_step", "unrecorded_revision"]
    mended_by_fix(project, "stale_step")


def test_a_revision_that_failed_and_was_rolled_back_is_no_damage(project: Project) -> None:
    project.add("a", "op.execute('SELECT 1 / 0'); op.get_context().autocommit_block()")
    assert project.tidegate("upgrade").code == 10
    assert findings(project) == []


def test_fix_writes_a_killed_run_down_and_metrics_do_not_take_that_for_a_migration(project: Project) -> None:
    killed_run(project)
    mended_by_fix(project, "unfinished_run")
    assert project.outcomes() == ["killed", "succeeded"]
    assert project.query("SELECT command FROM tidegate.run ORDER BY id DESC LIMIT 1") == [("tidegate doctor --fix",)]
    with project.connection() as connection:
        assert outcomes(connection) == {"killed": 1}
        ended = last_ended(connection)
    assert ended is not None
    assert ended.outcome == "killed"


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.usefixtures("orphan")
def test_an_orphaned_statement_is_cancelled_by_the_printed_command(project: Project) -> None:
    project.add_table("a")
    finding = only(project, "orphaned_statement")
    assert "pg_sleep(60), 'orphan'" in finding["what"]
    project.query(*finding["commands"])
    until(lambda: kinds(project) == [])


@pytest.mark.parametrize("server", MAJORS, indirect=True)
@pytest.mark.usefixtures("orphan")
def test_fix_ends_an_orphan_and_leaves_no_lock(project: Project) -> None:
    mended_by_fix(project, "orphaned_statement")
    assert project.sleepers() == []
    assert project.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_an_orphaned_session_that_is_idle_is_found_once_and_ended_by_the_printed_command(project: Project) -> None:
    project.add_table("a")
    with project.connection() as left:
        left.autocommit = False
        left.cursor().execute(f"SELECT pg_advisory_lock_shared({FENCE})")
        assert kinds(project, older_than_s=0) == ["orphaned_statement"]
        mended_by_its_own_command(project, "orphaned_statement")


def test_fix_ends_the_session_of_an_orphan_that_being_cancelled_does_not_end(project: Project) -> None:
    with project.connection() as left, ThreadPoolExecutor(1) as pool:
        left.cursor().execute(f"SELECT pg_advisory_lock_shared({FENCE})")
        running = pool.submit(lambda: left.cursor().execute("SELECT pg_sleep(60)"))
        until(project.sleepers)
        mended_by_fix(project, "orphaned_statement")
        with pytest.raises(psycopg2.errors.QueryCanceled):  # its client lives, so the session only went idle
            running.result()


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_while_a_run_is_on_nothing_is_damage_and_fix_refuses(project: Project) -> None:
    project.add("a", f"{BLOCK}\n    op.execute('SELECT pg_sleep(12)')")
    run = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the run is at work")
    found = findings(project)
    refused = project.tidegate("doctor", "--fix")
    os.kill(run.pid, signal.SIGTERM)
    finish(run)
    assert [(finding["kind"], finding["is_damage"]) for finding in found] == [("lock_held", False)]
    assert refused.code == 11
    assert "a migration is running: pid" in refused.err
    assert "for run 1 (`tidegate upgrade`" in refused.err


def test_a_holder_that_is_silent_is_ended_by_the_printed_command(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add_table("a")
    with project.connection() as left:
        left.cursor().execute(f"SELECT pg_advisory_lock({MUTEX})")
        assert kinds(project) == ["lock_held"]
        monkeypatch.setattr("tidegate.doctor.past.STUCK_AFTER_S", 0.05)
        time.sleep(0.1)
        finding = mended_by_its_own_command(project, "stuck_holder")
        assert finding["is_damage"]


def test_an_idle_transaction_is_a_note_from_its_age_on_and_ended_by_the_printed_command(project: Project) -> None:
    project.add_table("a")
    project.query("CREATE TABLE t (id int)")
    with project.connection() as left:
        left.autocommit = False
        left.cursor().execute("SELECT * FROM t")
        assert findings(project) == []
        finding = mended_by_its_own_command(project, "idle_transaction", older_than_s=0)
    assert not finding["is_damage"]


@pytest.fixture
def two_phase() -> Iterator[Cluster]:
    """A server that prepares transactions, which is off by default."""
    cluster = temporary_cluster(max_prepared_transactions="2").start()
    yield cluster
    cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)


def test_a_prepared_transaction_is_a_note_and_ended_by_the_printed_command(
    project: Project, two_phase: Cluster
) -> None:
    project.add_table("a")
    project.url = two_phase.url
    project.query("BEGIN; CREATE TABLE t (id int); PREPARE TRANSACTION 'it''s old'")
    assert findings(project) == []
    finding = mended_by_its_own_command(project, "prepared_transaction", older_than_s=0)
    assert not finding["is_damage"]
