"""Every command of both guides works, in the order of the page, and does what the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.stack.compose import ROOT, get, shell_quoted, until
from tests.stack.guide import Step, command_blocks, run_step
from tests.stack.revisions import mend, write_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stack.compose import Done, Stack

pytestmark = pytest.mark.stack

DEVELOPMENT, PRODUCTION = "DEVELOPMENT_DEPLOYMENT.md", "PRODUCTION_DEPLOYMENT.md"

FIRST, SECOND = "29990101_0000", "29990102_0000"
"""Revisions that come with the upgrade, and with the one that fails."""


def serves(url: str) -> Callable[..., None]:
    def _serves(*_: object) -> None:
        until(lambda: get(url), lambda answer: answer.status == 200, within=10)

    return _serves


def says(text: str) -> Callable[[Stack, Done], None]:
    def _says(_: Stack, done: Done) -> None:
        assert text in done.output

    return _says


def uv_is_there(stack: Stack) -> None:
    """Spare the clone the download of uv; that it fetches it by itself is tested with `make run`."""
    if (ROOT / ".uv" / "uv").exists():
        stack.sh(f"mkdir -p .uv && ln -s {shell_quoted(str(ROOT / '.uv' / 'uv'))} .uv/uv")


def development_has_a_migration(stack: Stack, _: Done) -> None:
    assert list((stack.folder / "migrations" / "versions").glob("*expand_add_receipts.py"))


in_development, in_production = serves("https://localhost:8443/health"), serves("https://localhost/health")

DEVELOPMENT_STEPS = {
    "start": Step(),
    "look": Step(before=in_development, after=says("done in")),
    "change": Step(),
    "follow": Step(limit_s=3),
    "one-off": Step(after=says("current")),
    "stop": Step(),
    "reset": Step(after=in_development),
    "psql": Step(),
    "new-migration": Step(before=uv_is_there, after=development_has_a_migration),
    "apply-migration": Step(after=says("expand add receipts")),
    "trust": Step(before=in_development, after=says('"status":"ok"')),
}


def a_release_appears(stack: Stack) -> None:
    """Make the folder a clone whose origin is one commit, with one migration, ahead."""
    stack.sh(
        "git init -q -b main && git config user.name test && git config user.email test@example.org"
        " && git add -A && git commit -qm now && git clone -q --bare . origin.git"
        " && git remote add origin ./origin.git && git fetch -q && git branch -q -u origin/main"
    )
    write_revision(stack, revision=FIRST, broken=False)
    stack.sh("git add migrations && git commit -qm next && git push -q && git reset -q --hard HEAD~1")


def it_is_go(_: Stack, done: Done) -> None:
    assert done.stdout.startswith("go")
    assert FIRST in done.stdout


def the_next_migration_fails(stack: Stack) -> None:
    write_revision(stack, revision=SECOND, broken=True)
    stack.compose("build api")
    failed = stack.compose('run --rm api sh -c "alembic upgrade head"', code=None)
    assert failed.code != 0
    assert SECOND in failed.output
    in_production()


def it_is_named_and_no_damage(_: Stack, done: Done) -> None:
    assert SECOND in done.output
    assert done.stdout.rstrip().endswith("no damage")


def the_file_is_mended(stack: Stack) -> None:
    mend(stack.folder / "migrations" / "versions" / f"{SECOND}_expand_test.py")


def the_newest_image_is_remembered(stack: Stack) -> None:
    stack.sh(f"docker tag expenses-api expenses-api:{stack.project}")


def old_code_serves_on_the_newer_schema(_: Stack, done: Done) -> None:
    assert '"state":"ahead"' in done.stdout
    assert '"status":"ok"' in done.stdout


def somebody_holds_a_lock(stack: Stack) -> None:
    stack.sh(f"docker tag expenses-api:{stack.project} expenses-api && docker image rm expenses-api:{stack.project}")
    stack.compose("up -d api")
    stack.compose(
        "exec -d db psql -U expense_admin expenses -c 'BEGIN; LOCK TABLE expense; SELECT pg_sleep(600)' -c COMMIT"
    )
    until(lambda: _sleeper(stack), bool, within=5)


def _sleeper(stack: Stack) -> str:
    return stack.query(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
    )


def nobody_holds_a_lock(stack: Stack, _: Done) -> None:
    until(lambda: _sleeper(stack), lambda pid: not pid, within=5)


def a_certificate_arrives(name: str) -> Callable[[Stack], None]:
    def _arrives(stack: Stack) -> None:
        stack.sh(
            "mkdir -p certs && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
            f" -subj /CN={name} -keyout certs/privkey.pem -out certs/fullchain.pem 2>/dev/null && chown 101 certs/*"
        )

    return _arrives


def files_are_chosen(stack: Stack) -> None:
    stack.sh("sed -i s/^TLS=.*/TLS=files/ .env.prod")


def is_served_with(name: str) -> Callable[[Stack, Done], None]:
    def _served(stack: Stack, _: Done) -> None:
        look = "openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -subject"
        until(lambda: stack.sh(look, code=None).stdout, lambda subject: name in subject, within=5)

    return _served


def there_is_a_backup(stack: Stack, done: Done) -> None:
    assert (stack.folder / done.stdout.strip().splitlines()[-1]).stat().st_size > 1000


def something_is_written_afterwards(stack: Stack) -> None:
    stack.query("CREATE TABLE written_after_the_backup ()")


def the_backup(stack: Stack) -> tuple[str, str]:
    return (
        "backups/expenses-20261122T030000Z.dump",
        f"backups/{max(p.name for p in stack.folder.glob('backups/*.dump'))}",
    )


def the_database_is_as_it_was(stack: Stack, _: Done) -> None:
    assert stack.query("SELECT to_regclass('written_after_the_backup') IS NULL") == "t"
    assert stack.query("SELECT email FROM user_account") == "you@example.org"
    assert stack.query("SELECT count(*) FROM pg_database WHERE datname LIKE 'expenses_before_%'") == "1"


def the_service_has_a_login_of_its_own(stack: Stack, _: Done) -> None:
    in_production()
    assert get("https://localhost/api/v1/me", "-H", "Authorization: Bearer unknown").status == 401  # so it has looked
    logins = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'expenses'"
    assert stack.query(logins) == "expenses_service"


def three_replicas_serve(stack: Stack, _: Done) -> None:
    assert len(stack.containers("api")) == 3
    in_production()


def nothing_is_left_but_the_volumes(stack: Stack, _: Done) -> None:
    assert not stack.sh(f"docker ps -aq --filter label=com.docker.compose.project={stack.project}").stdout
    volumes = stack.sh(f"docker volume ls -q --filter label=com.docker.compose.project={stack.project}").stdout
    assert len(volumes.split()) == 2


PRODUCTION_STEPS = {
    "settings": Step(),
    "database": Step(),
    "migrate": Step(),
    "serve": Step(),
    "verify": Step(before=in_production, after=says('"status":"ok"')),
    "account": Step(typed=("a long password of mine",) * 2),
    "keep": Step(after=there_is_a_backup),
    "fetch": Step(before=a_release_appears),
    "check": Step(after=it_is_go),
    "upgrade": Step(after=in_production),
    "replace": Step(),
    "verify-upgrade": Step(before=in_production, after=says('"state":"current"')),
    "failed-look": Step(before=the_next_migration_fails, after=it_is_named_and_no_damage),
    "failed-build": Step(before=the_file_is_mended),
    "failed-retry": Step(after=in_production),
    "rollback": Step(before=the_newest_image_is_remembered),
    "verify-rollback": Step(before=in_production, after=old_code_serves_on_the_newer_schema),
    "lock-look": Step(before=somebody_holds_a_lock, after=says("pg_sleep(600)")),
    "lock-end": Step(replace=lambda stack: ("4711", _sleeper(stack)), after=nobody_holds_a_lock),
    "certificate-rights": Step(before=a_certificate_arrives("first")),
    "certificate-use": Step(before=files_are_chosen, after=is_served_with("first")),
    "certificate-renew": Step(before=a_certificate_arrives("second"), after=is_served_with("second")),
    "backup": Step(after=there_is_a_backup),
    "restore": Step(before=something_is_written_afterwards, replace=the_backup, after=the_database_is_as_it_was),
    "verify-restore": Step(before=in_production, after=says('"status":"ok"')),
    "trash": Step(after=says("Deleted 0 expenses")),
    "password": Step(after=in_production),
    "own-login": Step(after=the_service_has_a_login_of_its_own),
    "scale": Step(after=three_replicas_serve),
    "stop": Step(after=nothing_is_left_but_the_volumes),
}


@pytest.fixture(scope="module")
def development_stack(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """The folder in which the development guide is followed, one step after the other."""
    stack = new_stack()
    yield stack
    stack.remove()


@pytest.fixture(scope="module")
def production_stack(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """The folder in which the production guide is followed, one step after the other."""
    stack = new_stack()
    stack.production = True
    yield stack
    stack.sh("docker image rm expenses-api:previous expenses-nginx:previous", code=None)
    stack.remove()


@pytest.mark.parametrize(("page", "steps"), [(DEVELOPMENT, DEVELOPMENT_STEPS), (PRODUCTION, PRODUCTION_STEPS)])
def test_the_guide_has_no_command_that_is_not_run(page: str, steps: dict[str, Step]) -> None:
    assert list(command_blocks(page)) == list(steps)


@pytest.mark.parametrize("name", DEVELOPMENT_STEPS)
def test_development_guide(development_stack: Stack, name: str) -> None:
    run_step(development_stack, command_blocks(DEVELOPMENT)[name], DEVELOPMENT_STEPS[name])


@pytest.mark.parametrize("name", PRODUCTION_STEPS)
def test_production_guide(production_stack: Stack, name: str) -> None:
    run_step(production_stack, command_blocks(PRODUCTION)[name], PRODUCTION_STEPS[name])
