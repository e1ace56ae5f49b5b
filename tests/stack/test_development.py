"""The brief's development commands, as written there, and what the development stack promises around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.stack.compose import get, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

HEALTH = "https://localhost:8443/health"


@pytest.fixture(scope="module")
def running(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """A development stack that is up, shared by the tests that leave it as they found it."""
    stack = new_stack()
    try:
        stack.compose("up -d")
        until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=5)
        yield stack
    finally:
        stack.remove()


@pytest.mark.parametrize("compose", ["docker-compose", "docker compose"])
def test_the_briefs_development_commands_work_as_written(development: Stack, compose: str) -> None:
    development.sh(f"{compose} up -d")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=2)
    development.sh("curl -k https://localhost:8443/health")
    assert get("http://localhost:8000/health").status == 200
    heads = get(HEALTH).json["schema"]["heads"]
    log = development.sh(f"{compose} logs api").output
    assert all(head in log for head in heads)
    followed = development.sh(f"timeout 2 {compose} logs -f api", code=124)
    assert heads[0] in followed.output

    development.sh(f"{compose} down")
    development.sh(f"{compose} up -d")
    assert development.query("SELECT count(*) FROM tidegate.run") == "1", "the data survives `down`"

    development.query("CREATE TABLE leftover ()")
    development.sh(f"{compose} down -v && {compose} up -d")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=2)
    assert development.query("SELECT to_regclass('leftover') IS NULL") == "t", "`down -v` resets"


def test_three_containers_run_and_none_else(running: Stack) -> None:
    assert sorted(running.compose("ps -a --services").stdout.split()) == ["api", "db", "nginx"]


def test_ports_are_published_on_this_machine_only(running: Stack) -> None:
    for service in ("api", "nginx", "db"):
        for bindings in running.inspect(service)["NetworkSettings"]["Ports"].values():
            assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings or [])


def test_a_restart_with_nothing_pending_runs_nothing_and_records_nothing(running: Stack) -> None:
    runs = running.query("SELECT count(*) FROM tidegate.run")
    running.compose("restart api")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=30)
    assert running.query("SELECT count(*) FROM tidegate.run") == runs
    log = running.log_since_start("api")
    assert "current" in log, "the start itself is in it"
    assert "Running upgrade" not in log


def test_stopping_an_idle_api_takes_under_a_second_and_exits_0(running: Stack) -> None:
    # Up to three times: the promise is about the api, not about what else the machine is doing.
    seconds: list[float] = []
    while len(seconds) < 3 and not (seconds and min(seconds) < 1.0):
        seconds.append(running.sh(f"docker stop {running.container('api')}").seconds)
        assert running.inspect("api")["State"]["ExitCode"] == 0
        running.compose("start api")
        until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=30)
    assert min(seconds) < 1.0


def test_a_request_in_flight_is_answered_before_the_api_stops(running: Stack) -> None:
    # A lock that the test holds makes an ordinary request wait inside the api.
    hold = "BEGIN; LOCK TABLE user_account IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT"
    request = "curl -s -o /dev/null -w '%{http_code}' -d username=a@example.org -d password=wrong-password http://localhost:8000/api/v1/auth/token"
    sql = f'docker compose exec -T db sh -c \'psql -Xq -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "{hold}"\''
    done = running.sh(
        f"{sql} >/dev/null & sleep 1.5; {request} & request=$!; sleep 0.5;"
        f" docker stop -t 25 {running.container('api')} >/dev/null; wait $request"
    )
    assert done.stdout == "401"
    assert running.inspect("api")["State"]["ExitCode"] == 0
    assert 3 < done.seconds < 20
    running.compose("start api")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=30)


def test_the_api_recovers_by_itself_when_the_database_was_killed_and_came_back(running: Stack) -> None:
    running.sh(f"docker kill {running.container('db')}")
    sick, _ = until(lambda: get(HEALTH), lambda answer: answer.status == 503, within=30)
    assert sick.json["database"] == "unreachable"
    assert get("https://localhost:8443/livez").status == 200
    before = running.inspect("api")["State"]["StartedAt"]
    running.compose("start db")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=30)
    assert running.inspect("api")["State"]["StartedAt"] == before


def test_every_container_is_unprivileged_on_a_read_only_root(running: Stack) -> None:
    for service in ("db", "api", "nginx"):
        found = running.inspect(service)
        assert found["Config"]["User"] not in {"", "root", "0"}
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
        look = "id -u; touch /etc/x /usr/x; grep CapEff /proc/1/status"
        seen = running.compose(f"exec -T {service} sh -c '{look}'", code=None)
        assert not seen.stdout.startswith("0\n")
        assert seen.output.count("Read-only file system") == 2
        assert "CapEff:\t0000000000000000" in seen.stdout


def test_nginx_does_not_reach_the_database(running: Stack) -> None:
    assert running.compose("exec -T nginx getent hosts db", code=None).code != 0
    assert running.compose("exec -T nginx getent hosts api").code == 0


def test_the_development_certificate_is_made_once_and_can_be_trusted(running: Stack) -> None:
    running.compose("cp nginx:/var/lib/certificates/certificate.pem certificate.pem")
    assert "ok" in running.sh(f"curl -s --cacert certificate.pem {HEALTH}").stdout
    running.compose("up -d --force-recreate --no-deps nginx")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=5)
    assert "ok" in running.sh(f"curl -s --cacert certificate.pem {HEALTH}").stdout
