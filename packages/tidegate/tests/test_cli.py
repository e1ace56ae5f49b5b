"""The command line: exit codes, JSON, help, and the words of errors. Others script against all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from projects import Project

import os
import signal

import pytest
from projects import DOORS, finish, until


@pytest.fixture
def abc(project: Project) -> Project:
    """A project with revisions a, b and c; the database has never been migrated."""
    project.add_table("a")
    project.add("b", "pass", down="a", phase="expand")
    project.add("c", "pass", down="b", phase="contract")
    return project


def test_status_says_empty_behind_and_current_with_their_exit_codes(abc: Project) -> None:
    assert abc.tidegate("status").code == 7
    abc.tidegate("upgrade", "a")
    behind = abc.tidegate("status", "--format", "json")
    assert (behind.code, behind.json()["state"], behind.json()["pending"]) == (3, "behind", ["b", "c"])
    abc.tidegate("upgrade")
    current = abc.tidegate("status", "--format", "json")
    assert current.code == 0
    assert {key: current.json()[key] for key in ("state", "current", "heads", "pending", "lock", "damage")} == {
        "state": "current",
        "current": ["c"],
        "heads": ["c"],
        "pending": [],
        "lock": {"held": False, "holder": None},
        "damage": [],
    }


def test_status_of_an_old_image_says_ahead_incompatible_and_unknown(abc: Project) -> None:
    abc.tidegate("upgrade", "b")
    versions = abc.folder / "migrations" / "versions"
    (versions / "c.py").unlink()
    (versions / "b.py").rename(abc.folder / "b.py")
    assert abc.tidegate("status").code == 4
    (abc.folder / "b.py").rename(versions / "b.py")
    abc.add("c", "pass", down="b", phase="contract")
    abc.tidegate("upgrade")
    (versions / "c.py").unlink()
    assert abc.tidegate("status").code == 5
    refused = abc.tidegate("upgrade")
    assert refused.code == 5
    assert "hint:" in refused.err
    abc.query("UPDATE alembic_version SET version_num = 'ffff'")
    assert abc.tidegate("status").code == 8
    assert abc.tidegate("upgrade").code == 8


def test_an_old_image_that_is_told_to_migrate_a_newer_compatible_database_does_nothing(abc: Project) -> None:
    abc.tidegate("upgrade", "b")
    for name in ("b", "c"):
        (abc.folder / "migrations" / "versions" / f"{name}.py").unlink()
    result = abc.tidegate("run", "--", "echo", "serving")
    assert (result.code, result.out) == (0, "serving\n")


def test_status_of_two_heads_says_diverged_and_upgrade_refuses(abc: Project) -> None:
    abc.add("x", "pass", down="a")
    assert abc.tidegate("status").code == 6
    refused = abc.tidegate("upgrade")
    assert refused.code == 6
    assert "alembic merge heads" in refused.err
    assert abc.tidegate("upgrade", "heads").code == 0
    assert abc.at() == ["c", "x"]


def test_two_labelled_branches_are_both_upgraded(project: Project) -> None:
    project.add("a", "pass", labels="app")
    project.add("j", "pass", labels="jobs")
    assert project.tidegate("upgrade").code == 0
    assert project.at() == ["a", "j"]
    assert project.tidegate("status").code == 0


def test_upgrade_to_a_named_revision_stops_there_and_is_a_success_when_repeated(abc: Project) -> None:
    assert abc.tidegate("upgrade", "b").code == 0
    assert abc.at() == ["b"]
    assert abc.tidegate("upgrade", "a").code == 0
    assert abc.outcomes() == ["succeeded"]


def test_upgrade_to_a_revision_that_is_not_there_is_a_usage_error(abc: Project) -> None:
    result = abc.tidegate("upgrade", "nope")
    assert result.code == 64
    assert "nope" in result.err


def test_downgrade_takes_back_and_records_it(abc: Project) -> None:
    abc.tidegate("upgrade")
    assert abc.tidegate("downgrade", "a").code == 0
    assert abc.at() == ["a"]
    assert abc.recorded()[-2:] == [("c", "downgrade"), ("b", "downgrade")]
    assert abc.tidegate("downgrade", "base").code == 0
    assert abc.tidegate("status").code == 7
    assert len(abc.tidegate("history", "--format", "json").json()["runs"]) == 3


def test_run_without_the_operators_word_migrates_nothing_and_says_so(abc: Project) -> None:
    for word in ("false", "Off"):
        result = abc.tidegate("run", "--", "echo", "serving", RUN_MIGRATIONS=word)
        assert (result.code, result.out) == (0, "serving\n")
        assert "Skipping migrations (RUN_MIGRATIONS=false)" in result.err
    assert abc.at() == []


def test_run_with_another_word_exits_64_and_starts_nothing(abc: Project) -> None:
    result = abc.tidegate("run", "--", "echo", "serving", RUN_MIGRATIONS="maybe")
    assert (result.code, result.out) == (64, "")
    assert "`RUN_MIGRATIONS` is `maybe`" in result.err


def test_run_does_not_start_the_command_when_a_migration_fails(project: Project) -> None:
    project.add("a", 'op.execute("nonsense")')
    result = project.tidegate("run", "--", "echo", "serving")
    assert (result.code, result.out) == (10, "")


def test_run_becomes_the_command_as_the_same_process(abc: Project) -> None:
    process = abc.start([*DOORS["tidegate upgrade"][:1], "run", "--", "sh", "-c", "echo $$"])
    out, _ = process.communicate(timeout=30)
    assert int(out) == process.pid


def test_run_understands_options_before_the_dashes(abc: Project) -> None:
    result = abc.tidegate("run", "--lock-wait", "5s", "--", "echo", "-n", "--config", RUN_MIGRATIONS="true")
    assert (result.code, result.out) == (0, "--config"), result.err


def test_run_of_a_command_that_is_not_there_says_so_before_migrating(abc: Project) -> None:
    result = abc.tidegate("run", "--", "uvicornn")
    assert result.code == 64
    assert abc.at() == []


def test_the_configuration_is_found_by_option_and_by_variable(abc: Project) -> None:
    moved = abc.folder / "elsewhere.ini"
    (abc.folder / "alembic.ini").rename(moved)
    missing = abc.tidegate("status")
    assert missing.code == 64
    assert "--config" in missing.err
    assert abc.tidegate("status", "--config", str(moved)).code == 7
    assert abc.tidegate("status", TIDEGATE_CONFIG=str(moved)).code == 7


def test_no_url_anywhere_names_the_three_places(abc: Project) -> None:
    result = abc.tidegate("status", DATABASE_URL="")
    assert result.code == 64
    for place in ("--database-url", "DATABASE_URL", "sqlalchemy.url"):
        assert place in result.err


def test_wait_returns_silently_when_the_database_is_there(abc: Project) -> None:
    result = abc.tidegate("wait")
    assert (result.code, result.out, result.err) == (0, "", "")


@pytest.mark.deep
def test_wait_for_schema_ends_with_the_state_when_time_is_over(abc: Project) -> None:
    result = abc.tidegate("wait", "--for-schema", "--timeout", "1s")
    assert result.code == 7
    abc.tidegate("upgrade")
    assert abc.tidegate("wait", "--for-schema", "--timeout", "1s").code == 0


def test_wait_for_a_database_that_is_not_there_exits_12_or_13(abc: Project) -> None:
    base = abc.url.rpartition("/")[0]
    assert abc.tidegate("wait", "--timeout", "1s", "--database-url", "postgresql://x@127.0.0.1:1/x").code == 12
    assert abc.tidegate("wait", "--timeout", "20s", "--database-url", f"{base}/nowhere", timeout=10).code == 13


def test_history_tells_who_when_what_and_how_long_newest_first(abc: Project) -> None:
    assert abc.tidegate("history").out == "no run on record: nothing was migrated here yet\n"
    abc.tidegate("upgrade", "a", TIDEGATE_APP_VERSION="1.2.3")
    abc.tidegate("upgrade")
    newest, oldest = abc.tidegate("history", "--format", "json").json()["runs"]
    assert (oldest["application_version"], oldest["from_revisions"], oldest["to_revisions"]) == ("1.2.3", [], ["a"])
    assert [step["id"] for step in newest["revisions"]] == ["c", "b"]
    assert all(step["checksum"] and step["duration_ms"] >= 0 for step in newest["revisions"])
    assert oldest["who"] and oldest["host"] and oldest["started_at"] < oldest["finished_at"]  # noqa: PT018 - one row
    text = abc.tidegate("history").out
    assert text.index("run 2") < text.index("run 1")


def test_a_role_that_may_not_create_the_record_is_told_the_grant(abc: Project) -> None:
    abc.query("CREATE ROLE limited LOGIN")
    try:
        result = abc.tidegate("upgrade", DATABASE_URL=abc.url.replace("postgres@", "limited@"))
        assert result.code == 13
        assert "GRANT CREATE ON DATABASE" in result.err
    finally:
        abc.query("DROP OWNED BY limited")
        abc.query("DROP ROLE limited")


@pytest.mark.parametrize("verb", ["run", "upgrade", "downgrade", "status", "wait", "history"])
def test_every_verb_has_help_that_names_defaults_and_variables(abc: Project, verb: str) -> None:
    result = abc.tidegate(verb, "--help")
    assert result.code == 0
    for word in ("TIDEGATE_DATABASE_URL", "--config", "60s"):
        assert word in result.out


def test_a_word_that_is_no_verb_is_a_usage_error(abc: Project) -> None:
    assert abc.tidegate("upgrad").code == 64


def test_an_invalid_index_is_shown_as_damage(abc: Project) -> None:
    abc.tidegate("upgrade")
    abc.query("INSERT INTO t_a VALUES (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        abc.query("CREATE UNIQUE INDEX CONCURRENTLY broken ON t_a (id)")
    (damage,) = abc.tidegate("status", "--format", "json").json()["damage"]
    assert damage["kind"] == "invalid_index"
    assert "broken" in damage["what"]


@pytest.mark.deep
@pytest.mark.parametrize("revision", ["-1", "base"])
def test_downgrade_understands_relative_revisions(abc: Project, revision: str) -> None:
    abc.tidegate("upgrade")
    assert abc.tidegate("downgrade", revision).code == 0
    assert abc.at() == (["b"] if revision == "-1" else [])


def test_run_leaves_the_options_of_the_command_to_the_command(abc: Project) -> None:
    result = abc.tidegate("run", "--wait-for-db", "9s", "echo", "-c", "foo", RUN_MIGRATIONS="off")
    assert (result.code, result.out) == (0, "-c foo\n")


def test_run_gives_the_command_its_signals_back(abc: Project) -> None:
    result = abc.tidegate("run", "--", "sh", "-c", "yes | head -1", RUN_MIGRATIONS="off")
    assert (result.out, "roken pipe" in result.err) == ("y\n", False)


@pytest.mark.deep
def test_run_that_was_told_to_stop_does_not_start_the_command(project: Project) -> None:
    project.add("a", "time.sleep(2)")
    process = project.start([*DOORS["tidegate run"][:3], "echo", "serving"])
    assert process.stderr is not None
    while "[1/1]" not in process.stderr.readline():
        pass
    os.kill(process.pid, signal.SIGTERM)
    result = finish(process, timeout=20)
    assert (result.code, result.out) == (143, ""), result.err


@pytest.mark.deep
def test_nohup_means_it(project: Project) -> None:
    project.add_table("a", seconds=1)
    process = project.start(["nohup", *DOORS["tidegate upgrade"]])
    until(project.sleepers, what="the run is at work")
    os.kill(process.pid, signal.SIGHUP)
    assert finish(process, timeout=20).code == 0


def test_a_servers_role_without_any_grant_can_judge_a_newer_database(abc: Project) -> None:
    abc.tidegate("upgrade", "b")
    for name in ("b", "c"):
        (abc.folder / "migrations" / "versions" / f"{name}.py").unlink()
    abc.query("CREATE ROLE serving LOGIN")
    abc.query("GRANT SELECT ON alembic_version TO serving")
    try:
        assert abc.tidegate("status", DATABASE_URL=abc.url.replace("postgres@", "serving@")).code == 4
    finally:
        abc.query("DROP OWNED BY serving")
        abc.query("DROP ROLE serving")


def test_a_misspelled_option_is_named_and_not_taken_for_a_revision(project: Project) -> None:
    for words in (["--lock-timout", "5s"], ["--lock-timout=5s"]):
        result = project.tidegate("upgrade", *words)
        assert result.code == 64
        assert "'--lock-timout'" in result.err
        assert "'--lock-timeout'" in result.err
        assert "revision" not in result.err
