"""The brief's production commands, as written there, and what production promises around them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.observatory import complaints
from tests.stack.compose import PASSWORD, get, until, write_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

HEALTH = "https://localhost/health"
HTML = ("-H", "Accept: text/html")
HEAD_ONLY = ("-o", "/dev/null", "-D", "-")
"""The body is no text, and of no interest."""
HSTS = ("strict-transport-security", "max-age=63072000")
"""What is said with a certificate of the operator's, and not with this one of our own: `test_refusals` has that."""


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
        page = get(f"https://localhost/{path}", *HTML)
        assert [complaints([*each.fields, HSTS], each.body) for each in (answer, page)] == [[], []], path
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
    assert complaints([*limited.fields, HSTS]) == []
    assert limited.headers["retry-after"]
    assert {get(HEALTH).status for _ in range(40)} == {200}


def test_a_request_that_is_too_large_is_refused_as_a_problem_document(running: Stack) -> None:
    answer = running.sh(f"head -c 3000000 /dev/zero | curl -sk --data-binary @- -w ' %{{http_code}}' {HEALTH}").stdout
    assert answer.endswith(" 413")
    assert '"code":"too_large"' in answer
    most = 2 * 1024 * 1024  # of nginx and of the api alike: what the one lets through, the other reads
    for size, status in ((most, 401), (most + 1, 413)):
        post = f"head -c {size} /dev/zero | curl -sk --data-binary @- -w ' %{{http_code}}'"
        said = running.sh(f"{post} https://localhost/api/v1/workspaces").stdout
        assert said.endswith(f" {status}"), said


def test_every_kind_of_answer_is_an_a_plus_of_mozillas_observatory(running: Stack) -> None:
    page = get("https://localhost/sign-in", *HTML)
    assert "__Host-" in page.headers["set-cookie"]
    large, static = running.folder / "large", re.findall(r'"(/static/[^"]+)"', page.body)
    large.write_bytes(b" " * 3_000_000)
    asked = {
        "page": (200, page),
        "page of an error": (404, get("https://localhost/nowhere", *HTML)),
        "redirect": (303, get("https://localhost/", *HTML)),
        "error of the API": (401, get("https://localhost/api/v1/me")),
        "list of the API": (401, get("https://localhost/api/v1/workspaces/x/expenses")),
        "description": (200, get("https://localhost/api/openapi.json")),
        "health": (200, get(HEALTH)),
        "nginx: too large": (413, get(HEALTH, "--data-binary", f"@{large}")),
        "nginx: hidden": (404, get("https://localhost/metrics")),
        "nginx: address too long": (414, get(f"{HEALTH}?{'x' * 40_000}", "--http1.1")),
        "nginx: no host": (400, get(HEALTH, "--http1.1", "-H", "Host: a b")),
        **{name: (200, get(f"https://localhost{name}", *HEAD_ONLY)) for name in static},
    }
    assert len(static) >= 5
    assert {name: answer.status for name, (status, answer) in asked.items() if answer.status != status} == {}
    found = {name: complaints([*answer.fields, HSTS], answer.body) for name, (_, answer) in asked.items()}
    assert {name: each for name, each in found.items() if each} == {}


def test_lists_and_files_travel_compressed_and_what_holds_a_token_does_not(running: Stack) -> None:
    user = "expenses create-user gzip@example.org --password-stdin"
    running.sh(f"printf %s 'a long enough password' | docker exec -i {running.container('api')} {user}")
    form = ("-d", "username=gzip@example.org", "-d", "password=a long enough password")
    token = get("https://localhost/api/v1/auth/token", *form).json["access_token"]
    mine = ("-H", f"Authorization: Bearer {token}", "-H", "Accept-Encoding: gzip")
    me = get("https://localhost/api/v1/me", *mine[:2]).json
    home = f"https://localhost/api/v1/workspaces/{me['workspaces'][0]['id']}"
    body = '{"spent_on": "2026-11-01", "amount": {"value": "1", "currency": "EUR"}, "merchant": "x", "note": "%s"}'
    json_body = ("-H", "Content-Type: application/json", "-d", body % ("y" * 2000))
    made = get(f"{home}/expenses", *mine[:2], *json_body)
    packed = get(f"{home}/expenses", *mine, *HEAD_ONLY)
    assert (packed.status, packed.headers["content-encoding"]) == (200, "gzip")
    assert "accept-encoding" in packed.headers["vary"].lower()
    one = get(f"{home}/expenses/{made.json['id']}", *mine)
    assert "content-encoding" not in one.headers, "or its `ETag` would be weak, and If-Match needs a strong one"
    assert one.headers["etag"] == made.headers["etag"]
    page = get("https://localhost/sign-in", *HTML, *mine[2:])
    assert "csrf_token" in page.body
    assert "content-encoding" not in page.headers
    style = re.search(r'"(/static/app[^"]+css[^"]*)"', page.body)
    assert style
    file = get(f"https://localhost{style[1]}", *mine[2:], *HEAD_ONLY)
    assert file.headers["content-encoding"] == "gzip"


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
