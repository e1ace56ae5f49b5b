"""Which addresses, names and passwords an account may have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.accounts.model import NewSession, NewToken, check_password, parse_email, parse_name
from expenses.errors import Invalid


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("anna@example.org", "anna@example.org"),
        ("  Anna+Home@Example.ORG\n", "anna+home@example.org"),
        ("o'neil@mail.example.org", "o'neil@mail.example.org"),
        ("root@localhost", "root@localhost"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_is_trimmed_and_in_lower_case(text: str, email: str) -> None:
    assert parse_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "anna",
        "@example.org",
        "anna@",
        "anna@@example.org",
        "anna@exa mple.org",
        "anna@example..org",
        "anna@-example.org",
        "anna@example.org\x00",
        "an\x00na@example.org",
        "anna@example.org\nbcc: x@example.org",
        "anna@bücher.example",
        "anna@example.org\ud800",
        "<b>anna</b>@example.org",
        "anna@example.org'; DROP TABLE user_account; --",
        "a" * 65 + "@example.org",
        "a@" + "b" * 63 + ("." + "b" * 63) * 3,
        "x" * 1_000_000,
        "a@" + "a." * 500_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_email(text)
    assert caught.value.field == "email"


@given(st.text())
def test_any_text_is_a_stable_address_or_refused(text: str) -> None:
    try:
        email = parse_email(text)
    except Invalid:
        return
    assert parse_email(email) == email
    assert email.isascii()


@pytest.mark.parametrize(
    "name", ["Anna", "  Anna Müller ", "安娜", "Robert'); DROP TABLE user_account;--", "<b>Anna</b>"]
)
def test_a_name_may_be_any_line_of_text(name: str) -> None:
    assert parse_name(name, field="name") == name.strip()


@pytest.mark.parametrize(
    "name",
    ["", "  ", "a" * 101, "a\x00b", "a\nb", "a\u2028b", "a\x1bb", "a\ud800b", "x" * 1_000_000],
    ids=lambda name: name[:9],
)
def test_a_name_that_is_no_line_of_text_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_name(name, field="display_name")
    assert caught.value.field == "display_name"


@pytest.mark.parametrize("password", ["a" * 10, "a" * 1024, "ü" * 512, "pass\x00word\x00s", "          "])
def test_a_password_has_at_least_10_characters_and_at_most_1024_bytes(password: str) -> None:
    check_password(password)


@pytest.mark.parametrize("password", ["", "a" * 9, "a" * 1025, "ü" * 513, "x" * 1_000_000, "a" * 10 + "\ud800"])
def test_other_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_password(password)
    assert caught.value.field == "password"


def test_a_repr_tells_no_secret() -> None:
    then = datetime(2026, 11, 22, tzinfo=UTC)
    assert "s3cret" not in repr(NewToken("s3cret", frozenset(), then)) + repr(NewSession("s3cret", "s3cret", then))
