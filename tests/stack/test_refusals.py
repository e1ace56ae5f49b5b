"""Production says no before it does anything wrong, and says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.observatory import complaints
from tests.stack.compose import get, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack


def test_a_missing_env_prod_is_refused_by_name(production: Callable[..., Stack]) -> None:
    stack = production()
    (stack.folder / ".env.prod").unlink()
    done = stack.compose("up -d db", code=None)
    assert done.code != 0
    assert ".env.prod" in done.stderr
    assert not stack.containers("db")


def test_the_example_as_it_is_is_refused_before_a_container_starts(production: Callable[..., Stack]) -> None:
    stack = production()
    stack.sh("cp .env.prod.example .env.prod")
    done = stack.compose("up -d db", code=None)
    assert done.code != 0
    assert "POSTGRES_PASSWORD" in done.stderr
    assert ".env.prod" in done.stderr
    assert not stack.containers("db")


@pytest.mark.parametrize(("setting", "value"), [("POSTGRES_PASSWORD", ""), ("TLS", "")])
def test_an_empty_setting_is_refused_before_a_container_starts(
    production: Callable[..., Stack], setting: str, value: str
) -> None:
    stack = production(**{setting: value})
    done = stack.compose("up -d db", code=None)
    assert done.code != 0
    assert setting in done.stderr
    assert not stack.containers("db")


def test_a_password_given_twice_is_refused(production: Callable[..., Stack]) -> None:
    done = production(POSTGRES_PASSWORD_FILE="/run/secrets/password").compose("up -d db", code=None)
    assert done.code != 0
    assert "POSTGRES_PASSWORD_FILE" in done.stderr


@pytest.mark.parametrize("password", ["dev_password_dev", "change-me"])
def test_an_example_password_is_refused_by_the_database(production: Callable[..., Stack], password: str) -> None:
    stack = production(POSTGRES_PASSWORD=password)
    stack.compose("up -d db")
    log, _ = until(lambda: stack.log("db"), lambda log: "error:" in log, within=10)
    assert "`POSTGRES_PASSWORD` is an example" in log
    assert ".env.prod" in log
    assert password not in log
    until(lambda: stack.inspect("db")["State"]["ExitCode"], lambda code: code == 64, within=10)
    done = stack.compose('run --rm api sh -c "alembic upgrade head"', code=None, timeout=60)
    assert done.code != 0


@pytest.mark.parametrize(("tls", "named"), [("files", "/certs/fullchain.pem"), ("yes", "`TLS` is `yes`")])
def test_nginx_refuses_what_it_cannot_serve_with(production: Callable[..., Stack], tls: str, named: str) -> None:
    stack = production(TLS=tls)
    stack.compose("up -d --no-deps nginx")
    log, _ = until(lambda: stack.log("nginx"), lambda log: "error:" in log, within=10)
    assert named in log
    assert "hint:" in log


def test_the_operators_own_certificate_is_served_with_hsts(production: Callable[..., Stack]) -> None:
    stack = production(TLS="files")
    stack.sh(
        "mkdir -p certs && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=own"
        " -addext subjectAltName=DNS:localhost -keyout certs/privkey.pem -out certs/fullchain.pem && chmod 600 certs/*"
    )
    stack.compose("up -d --no-deps nginx")
    log, _ = until(lambda: stack.log("nginx"), lambda log: "error:" in log, within=10)
    assert "may not read" in log
    assert "chown 101 certs/" in log
    stack.sh("chown 101 certs/* && chmod 400 certs/*")
    # It is restarted until it works, so nobody has to start it again.
    ask = "curl -si --cacert certs/fullchain.pem https://localhost/health?token=query-secret"
    head, _ = until(lambda: stack.sh(ask, code=None).stdout, bool, within=30)
    assert "strict-transport-security: max-age=63072000" in head
    assert head.startswith("HTTP/2 503"), "there is no api"
    assert '"code":"unavailable"' in head
    assert "query-secret" not in stack.log("nginx"), "not in the log of errors either"
    for path, status in (("sign-in", 503), ("metrics", 404), (f"?{'x' * 40_000}", 414)):
        for accept in ("application/json", "text/html"):
            answer = get(f"https://localhost/{path}", "--http1.1", "-H", f"Accept: {accept}")
            assert (answer.status, complaints(answer.fields, answer.body)) == (status, []), path[:20]
