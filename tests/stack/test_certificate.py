"""The certificate that nginx makes for itself: for whom, when anew, and who may read its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

MADE = "made a self-signed certificate"


def in_nginx(stack: Stack, script: str, options: str = "") -> str:
    """What a shell in nginx's image writes, after a first start has made the certificate."""
    command = f"/entrypoint.sh true && cd /var/lib/certificates && {script}"
    run = (
        f"docker run --rm --read-only --tmpfs /tmp -v /var/lib/certificates -e TLS=self-signed {options} expenses-nginx"
    )
    return stack.sh(f"{run} sh -c '{command}' 2>&1").stdout


def test_it_is_for_localhost_and_the_names_the_operator_says(development: Stack) -> None:
    look = "openssl x509 -in certificate.pem -noout -ext subjectAltName,basicConstraints"
    said = in_nginx(development, look, "-e SERVER_NAME=expenses.example.org,192.0.2.7")
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "DNS:expenses.example.org", "IP Address:192.0.2.7"):
        assert name in said
    assert "CA:FALSE" in said


def test_its_key_is_for_nginx_alone(development: Stack) -> None:
    assert in_nginx(development, 'stat -c "%a %U" key.pem').endswith("600 nginx\n")


def test_it_is_made_once(development: Stack) -> None:
    assert in_nginx(development, "/entrypoint.sh true").count(MADE) == 1


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("rm key.pem", id="lost-key"),
        pytest.param(": >certificate.pem", id="empty-certificate"),
        pytest.param(": >made", id="empty-record"),
        pytest.param("echo 1000000000 DNS:localhost,IP:127.0.0.1,IP:::1 >made", id="about-to-end"),
        pytest.param("export SERVER_NAME=other.example.org", id="another-name"),
    ],
)
def test_it_is_made_anew_when_it_cannot_be_used(development: Stack, damage: str) -> None:
    said = in_nginx(development, f"{damage} && /entrypoint.sh nginx -e stderr -t")
    assert said.count(MADE) == 2
    assert "test is successful" in said
