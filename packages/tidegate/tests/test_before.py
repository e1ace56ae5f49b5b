"""`--before CMD`: the backup that must succeed before the first statement of a run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from projects import DOORS, Project, finish, until

if TYPE_CHECKING:
    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

LAYOUT_1 = """
CREATE SCHEMA tidegate;
COMMENT ON SCHEMA tidegate IS 'The record of migrations, kept by tidegate. Layout 1.';
CREATE TABLE tidegate.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command text NOT NULL, who text NOT NULL, host text NOT NULL, pid integer NOT NULL, application_version text,
    tidegate_version text NOT NULL, version_table text, from_revisions text[] NOT NULL, to_revisions text[],
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz,
    outcome text NOT NULL DEFAULT 'running'
        CHECK (outcome IN ('running', 'succeeded', 'failed', 'interrupted', 'killed')),
    attempts integer NOT NULL DEFAULT 1, error text
);
CREATE TABLE tidegate.revision (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('upgrade', 'downgrade')), parents text[] NOT NULL,
    phase text CHECK (phase IN ('expand', 'backfill', 'contract')), checksum text,
    run_id bigint NOT NULL REFERENCES tidegate.run, applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms integer NOT NULL
);
INSERT INTO tidegate.run (command, who, host, pid, tidegate_version, from_revisions, outcome, finished_at)
    VALUES ('tidegate upgrade', 'root', 'api-1', 7, '0.1.0', '{}', 'succeeded', clock_timestamp());
"""
"""The record as the first version of tidegate made it."""


@pytest.fixture
def table(project: Project) -> Project:
    project.add_table("a")
    return project


def befores(project: Project) -> list[tuple[str | None, int | None]]:
    return project.query("SELECT before_command, before_exit_code FROM tidegate.run ORDER BY id")


def test_a_pg_dump_before_the_migration_is_of_the_state_before_it(table: Project, server: Cluster) -> None:
    table.query("CREATE TABLE precious (id int)")
    program = shutil.which("pg_dump", path=str(server.bin_dir))
    assert program is not None
    result = table.tidegate("upgrade", "--before", f"{program} -Fc -f backup.dump")
    assert result.code == 0, result.err
    assert "pg_dump -Fc -f backup.dump`\ntidegate:     succeeded in" in result.err
    restore = shutil.which("pg_restore", path=str(server.bin_dir))
    listing = subprocess.run(
        [str(restore), "-l", table.folder / "backup.dump"], capture_output=True, check=True, text=True
    )
    assert "TABLE public precious" in listing.stdout
    assert "TABLE public t_a" not in listing.stdout
    assert befores(table) == [(f"{program} -Fc -f backup.dump", 0)]


@pytest.mark.parametrize("door", DOORS)
def test_a_backup_that_fails_lets_no_door_migrate(table: Project, door: str) -> None:
    result = finish(table.start(DOORS[door], TIDEGATE_BEFORE="echo on stdout; echo on stderr >&2; exit 7"))
    assert result.code == 10
    assert result.out == ""
    assert "on stdout\non stderr\n" in result.err
    assert "`--before` failed with exit code 7" in result.err
    assert "nothing was changed" in result.err
    assert table.at() == []
    assert table.outcomes() == ["failed"]
    assert befores(table)[0][1] == 7
    assert table.tidegate("upgrade", "--lock-wait", "0s", "--before", "false").code == 10, "a lock was left behind"


def test_the_command_runs_once_for_each_run_that_has_something_to_do_and_not_otherwise(table: Project) -> None:
    racers = [table.start(DOORS["tidegate upgrade"], TIDEGATE_BEFORE="echo x >> ran") for _ in range(3)]
    assert [finish(racer).code for racer in racers] == [0, 0, 0]
    assert table.tidegate("upgrade", "--before", "echo x >> ran").code == 0
    assert (table.folder / "ran").read_text() == "x\n"


def test_the_lock_is_held_meanwhile_and_a_signal_ends_the_command_with_all_it_started(table: Project) -> None:
    command = "sleep 61 & echo $! > child; sleep 62"
    run = table.start([*DOORS["tidegate upgrade"], "--before", command])
    child = int(until(lambda: _text(table, "child"), what="the command runs"))
    assert table.tidegate("status", "--format", "json").json()["lock"]["held"]
    os.kill(run.pid, signal.SIGTERM)
    result = finish(run, timeout=5)
    assert result.code == 143, result.err
    assert "nothing was changed" in result.err
    assert not _lives(child)
    assert table.outcomes() == ["interrupted"]


def test_a_backup_does_not_outlive_a_run_that_was_killed(table: Project) -> None:
    run = table.start([*DOORS["tidegate upgrade"], "--before", "echo $$ > shell; sleep 65 & echo $! > child; wait"])
    child = int(until(lambda: _text(table, "child"), what="the command runs"))
    shell = int(_text(table, "shell"))
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    until(lambda: not (_lives(shell) or _lives(child)), timeout=10, what="both have ended")
    run.communicate()
    assert table.tidegate("upgrade", "--before", "false").code == 10
    assert table.outcomes() == ["killed", "failed"]
    assert befores(table)[0][1] is None


def test_a_command_that_takes_too_long_is_ended(table: Project) -> None:
    result = table.tidegate("upgrade", "--before", "sleep 63", "--before-timeout", "0.3s", timeout=10)
    assert result.code == 10
    assert "longer than `--before-timeout` allows, and was ended after 0." in result.err
    assert "`--before-timeout 4h`" in result.err
    assert (table.at(), table.outcomes()) == ([], ["failed"])


def test_losing_the_lock_while_the_command_runs_ends_both(table: Project) -> None:
    run = table.start([*DOORS["tidegate upgrade"], "--before", "touch began; sleep 64"])
    until((table.folder / "began").exists, what="the command runs")
    table.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'tidegate control%' AND datname = current_database()"
    )
    result = finish(run, timeout=10)
    assert result.code == 10
    assert "was lost while `--before` ran" in result.err
    assert (table.at(), table.outcomes()) == ([], ["failed"])


def test_the_password_is_in_no_argument_and_no_output_but_in_the_environment(table: Project) -> None:
    url = table.url.replace("postgres@", "postgres:s3cret-w0rd@")
    command = 'ps -eo args > all; echo "$PGPASSWORD" > word; false'
    result = table.tidegate("upgrade", "--before", command, DATABASE_URL=url)
    assert result.code == 10
    assert _text(table, "word") == "s3cret-w0rd\n"
    assert "tidegate.run.leash" in _text(table, "all")
    assert "s3cret-w0rd" not in _text(table, "all") + result.err
    assert table.tidegate("upgrade", "--before", "echo s3cret-w0rd >&-; false", DATABASE_URL=url).code == 10
    assert "s3cret-w0rd" not in str(befores(table)), "a password in the command itself is not recorded"


def test_a_record_of_an_earlier_version_is_brought_up_to_date_and_keeps_its_runs(table: Project) -> None:
    table.query(LAYOUT_1)
    assert table.tidegate("history").code == 0
    assert table.tidegate("status").code == 7
    assert table.tidegate("upgrade", "--before", "false").code == 10
    assert befores(table) == [(None, None), ("false", 1)]
    assert table.outcomes() == ["succeeded", "failed"]


def test_the_record_is_brought_up_to_date_without_blocking_who_reads_it(table: Project) -> None:
    table.query(LAYOUT_1)
    with psycopg2.connect(table.url) as reader:
        reader.cursor().execute("SELECT count(*) FROM tidegate.run")
        run = table.start([*DOORS["tidegate upgrade"], "--before", "false"])
        until(lambda: table.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"), what="the run has the lock")
        for _ in range(20):
            table.query("SET statement_timeout = '150ms'; SELECT count(*) FROM tidegate.run")
        reader.rollback()
    reader.close()
    assert finish(run).code == 10
    assert befores(table)[-1] == ("false", 1)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def _text(project: Project, name: str) -> str:
    path = project.folder / name
    return path.read_text() if path.exists() else ""
