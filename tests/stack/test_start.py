"""What the api's container does with the operator's word, and what it does without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.stack.compose import get, until
from tests.stack.revisions import mend, write_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

REVISION = "29990101_0000"


@pytest.fixture(scope="module")
def database_only(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """A development stack with an empty database and nothing else, shared by tests that leave it empty."""
    stack = new_stack()
    try:
        stack.compose("up -d db")
        yield stack
    finally:
        stack.remove()


def is_untouched(stack: Stack) -> bool:
    return (
        stack.query("SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
        == "0"
    )


def test_a_one_off_command_runs_no_migration(database_only: Stack) -> None:
    done = database_only.compose('run --rm api sh -c "echo just this"')
    assert done.stdout.endswith("just this\n")
    assert is_untouched(database_only)


@pytest.mark.parametrize("value", ["maybe", ""])
def test_a_switch_that_is_neither_true_nor_false_exits_64_and_is_named(database_only: Stack, value: str) -> None:
    done = database_only.compose(f"run --rm -e RUN_MIGRATIONS={value} api", code=64)
    assert f"`RUN_MIGRATIONS` is `{value}`" in done.stderr
    assert is_untouched(database_only)


def test_a_wrong_password_is_said_at_once_instead_of_waiting(database_only: Stack) -> None:
    done = database_only.compose("run --rm -e POSTGRES_PASSWORD=wrong-one api", code=13)
    assert done.seconds < 20
    assert "password" in done.stderr
    assert "wrong-one" not in done.output


def test_a_secret_given_twice_exits_64(database_only: Stack) -> None:
    done = database_only.compose("run --rm -e POSTGRES_PASSWORD_FILE=/dev/null api", code=64)
    assert "POSTGRES_PASSWORD_FILE" in done.stderr


def test_a_database_url_takes_the_place_of_the_three_variables(database_only: Stack) -> None:
    url = "postgresql://expense_admin:dev_password_dev@db:5432/expenses"
    options = f"-e DATABASE_URL={url} -e POSTGRES_PASSWORD= -e POSTGRES_HOST=not-asked"
    done = database_only.compose(f"run --rm {options} api tidegate status", code=7)
    assert "empty" in done.stdout


def test_secrets_come_from_files(production: Callable[..., Stack]) -> None:
    stack = production(POSTGRES_PASSWORD="", POSTGRES_PASSWORD_FILE="/run/secrets/postgres_password")
    secret = "from a file, with a newline behind it"
    stack.sh(f"mkdir secrets && echo '{secret}' >secrets/postgres_password && chmod 444 secrets/postgres_password")
    stack.compose("up -d db")
    stack.compose('run --rm api sh -c "alembic upgrade head"')
    stack.compose("up -d api nginx")
    until(lambda: get("https://localhost/health"), lambda answer: answer.status == 200, within=5)
    for service in ("db", "api", "nginx"):
        assert not any(secret in variable for variable in stack.inspect(service)["Config"]["Env"])


def test_a_password_and_tls_are_all_that_production_needs_to_be_told(production: Callable[..., Stack]) -> None:
    stack = production()
    (stack.folder / ".env.prod").write_text("POSTGRES_PASSWORD=this-and-no-more\nTLS=self-signed\n")
    stack.compose("up -d db")
    stack.compose('run --rm api sh -c "alembic upgrade head"')
    stack.compose("run --rm api tidegate status")
    stack.sh("ops/backup.sh")


def test_of_three_replicas_on_an_empty_database_one_migrates(development: Stack) -> None:
    (development.folder / "three.yaml").write_text("services: {api: {ports: !reset []}}\n")
    development.compose("-f docker-compose.yaml -f three.yaml up -d --scale api=3")
    until(lambda: get("https://localhost:8443/health"), lambda answer: answer.status == 200, within=10)
    assert development.query("SELECT count(*) FROM tidegate.run") == "1"
    assert development.api_log().count("Running upgrade  ->") == 1
    for container in development.containers("api"):
        state = json.loads(development.sh(f"docker inspect -f '{{{{json .State}}}}' {container}").stdout)
        assert state["Health"]["Status"] == "healthy"


def test_a_failing_migration_starts_no_server_and_after_the_fix_the_same_command_finishes(development: Stack) -> None:
    broken = write_revision(development, revision=REVISION, broken=True)
    failed = development.compose("up -d", code=None)
    assert failed.code != 0
    assert development.inspect("api")["State"]["ExitCode"] == 10
    log = development.api_log()
    assert REVISION in log, "the revision"
    assert "no_such_table" in log, "the statement and the reason"
    assert "hint:" in log, "the next command"
    assert "Uvicorn running" not in log
    assert development.query("SELECT to_regclass('made_by_29990101_0000') IS NULL") == "t"
    assert development.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"

    mend(broken)
    development.compose("up -d")
    until(lambda: get("https://localhost:8443/health"), lambda answer: answer.status == 200, within=5)
    assert get("https://localhost:8443/health").json["schema"]["current"] == [REVISION]


def test_the_briefs_recovery_commands_work_as_written(production: Callable[..., Stack]) -> None:
    stack = production()
    file = "docker-compose -f docker-compose.prod.yaml"
    broken = write_revision(stack, revision=REVISION, broken=True)
    stack.sh(f"{file} build api && {file} up -d db")
    failed = stack.sh(f'{file} run --rm api sh -c "alembic upgrade head"', code=None)
    assert failed.code != 0
    assert REVISION in failed.output
    stack.sh(f"{file} logs api")
    mend(broken)
    stack.sh(f"{file} build api")
    stack.sh(f'{file} run --rm api sh -c "alembic upgrade head"')
    assert "healthy" in stack.sh(f"{file} ps").stdout
    stack.sh(f"{file} up -d api nginx")
    until(lambda: get("https://localhost/health"), lambda answer: answer.status == 200, within=5)
