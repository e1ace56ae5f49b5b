"""The brief's production commands, as written there, and what production promises around them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.stack.compose import PASSWORD, get, until, write_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

HEALTH = "https://localhost/health"


@pytest.fixture(scope="module")
def running(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """Production with two api replicas and an empty database, shared by the tests that leave it as they found it."""
    stack = new_stack()
    stack.production = True
    write_settings(stack)
    try:
        stack.compose("up -d --scale api=2")
        until(lambda: get(HEALTH), lambda answer: answer.status == 503, within=5)
        yield stack
    finally:
        stack.remove()


@pytest.mark.parametrize("compose", ["docker-compose", "docker compose"])
def test_the_briefs_production_commands_work_as_written(production: Callable[..., Stack], compose: str) -> None:
    stack = production()
    file = "-f docker-compose.prod.yaml"
    stack.sh(f"{compose} {file} up -d db")
    stack.sh(f'{compose} {file} run --rm api sh -c "alembic upgrade head"')
    stack.sh(f"{compose} {file} up -d api nginx")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=2)
    stack.sh("curl -k https://localhost/health")

    assert get(HEALTH).json["schema"]["state"] == "current"
    assert "Skipping migrations (RUN_MIGRATIONS=false)" in stack.sh(f"{compose} {file} logs api").output
    assert stack.query("SELECT count(*) FROM tidegate.run") == "1"
    assert not stack.containers("api", one_off=True)


def test_a_schema_that_is_behind_answers_503_with_its_state_on_every_path_and_opens_within_2_s(running: Stack) -> None:
    for path in ("", "sign-in", "api/v1/me", "static/no-such-file", "metrics-are-not-there"):
        answer = get(f"https://localhost/{path}")
        assert answer.status == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"]
        assert answer.json["schema"]["state"] == "empty"
    assert get("https://localhost/livez").status == 200
    assert get("https://localhost/readyz").status == 503
    assert get("https://localhost/metrics").status == 404  # nginx's own: the api would answer while the gate is closed
    running.compose('run --rm api sh -c "alembic upgrade +1"')
    until(lambda: get(HEALTH).json["schema"]["state"], lambda state: state == "behind", within=4)
    assert get("https://localhost/api/v1/me").status == 503, "a part of the way is not enough"
    running.compose('run --rm api sh -c "alembic upgrade head"')
    # Each of the two replicas opens by itself; nginx asks them in turn, so six answers are three of each.
    sign_in = "https://localhost/sign-in"
    until(lambda: {get(sign_in).status for _ in range(6)}, lambda statuses: statuses == {200}, within=2)
    assert get(HEALTH).status == 200


def test_a_recreated_api_is_found_without_touching_nginx_and_nobody_sees_a_502(running: Stack) -> None:
    nginx = running.inspect("nginx")["State"]["StartedAt"]
    running.compose("up -d --no-deps --force-recreate --scale api=1 api")
    until(lambda: get(HEALTH), lambda answer: answer.status == 200, within=10)
    running.compose("up -d --no-deps --scale api=3 api")
    assert {get(HEALTH, timeout=5).status for _ in range(30)} == {200}
    assert running.inspect("nginx")["State"]["StartedAt"] == nginx
    assert '"status":502' not in running.log("nginx")


def test_the_api_publishes_no_port_and_nginx_holds_no_secret(running: Stack) -> None:
    assert not any(running.inspect("api")["NetworkSettings"]["Ports"].values())
    assert not any(running.inspect("db")["NetworkSettings"]["Ports"].values())
    assert not any(PASSWORD in variable for variable in running.inspect("nginx")["Config"]["Env"])


def test_the_password_is_in_no_log_and_no_process_list(running: Stack) -> None:
    encoded = quote(PASSWORD, safe="")
    for service in ("db", "api", "nginx"):
        for place in (running.log(service), running.sh(f"docker top {running.container(service)} -eo pid,args").stdout):
            assert PASSWORD not in place
            assert encoded not in place


def test_every_container_is_unprivileged_on_a_read_only_root(running: Stack) -> None:
    for service in ("db", "api", "nginx"):
        found = running.inspect(service)
        assert found["Config"]["User"] not in {"", "root", "0"}
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_port_80_redirects_to_443_and_keeps_the_method(running: Stack) -> None:
    answer = get("http://localhost/sign-in?next=%2F", "-X", "POST")
    assert answer.status == 308
    assert answer.headers["location"] == "https://localhost/sign-in?next=%2F"
    assert running.inspect("nginx")["State"]["Running"]


def test_only_tls_1_2_and_1_3_are_spoken(running: Stack) -> None:
    for version, works in (("1", False), ("1_1", False), ("1_2", True), ("1_3", True)):
        done = running.sh(f"openssl s_client -connect localhost:443 -tls{version} </dev/null", code=None)
        assert ("Cipher is (NONE)" not in done.stdout and done.code == 0) == works


def test_a_spoofed_client_address_is_not_believed(running: Stack) -> None:
    sign_in = ("-d", "username=nobody@example.org", "-d", "password=wrong-password")
    assert get("https://localhost/api/v1/auth/token", "-H", "X-Forwarded-For: 203.0.113.9", *sign_in).status == 401
    seen = json.loads(
        running.sh(f"docker logs {running.container('nginx')} 2>/dev/null | grep auth/token | tail -1").stdout
    )
    keys = running.query("SELECT encode(subject_hash, 'hex') FROM login_throttle").split()
    assert hashlib.sha256(f"address:{seen['client']}".encode()).hexdigest() in keys, "the address that nginx saw"
    assert hashlib.sha256(b"address:203.0.113.9").hexdigest() not in keys


def test_sign_in_is_limited_for_each_address_and_nothing_else_is(running: Stack) -> None:
    url = "https://localhost/api/v1/auth/token"
    many = " ".join([url] * 60)
    statuses = running.sh(f"curl -sk -o /dev/null -w '%{{http_code}} ' -X POST -Z {many}").stdout.split()
    assert "429" in statuses
    limited = until(lambda: get(url, "-X", "POST"), lambda answer: answer.status == 429, within=10)[0]
    assert limited.json["code"] == "too_many_requests"
    assert limited.headers["retry-after"]
    assert {get(HEALTH).status for _ in range(40)} == {200}


def test_a_request_that_is_too_large_is_refused_as_a_problem_document(running: Stack) -> None:
    answer = running.sh(f"head -c 3000000 /dev/zero | curl -sk --data-binary @- -w ' %{{http_code}}' {HEALTH}").stdout
    assert answer.endswith(" 413")
    assert '"code":"too_large"' in answer


def test_no_query_string_is_logged(running: Stack) -> None:
    get(f"{HEALTH}?token=query-secret", "-e", "https://localhost/?token=referrer-secret")
    assert "query-secret" not in running.log("nginx") + running.log("api")
    assert "referrer-secret" not in running.log("nginx") + running.log("api")
    assert '"path":"/health"' in running.log("nginx")


def test_a_wrong_database_password_is_said_at_once(running: Stack) -> None:
    done = running.compose('run --rm -e POSTGRES_PASSWORD=wrong api sh -c "alembic upgrade head"', code=None)
    assert done.code == 13, done.output
    assert done.seconds < 15
    assert "POSTGRES_PASSWORD" in done.output or "password" in done.output
    assert PASSWORD not in done.output
