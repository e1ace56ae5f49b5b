"""Codes of authenticator apps: the RFC's own vectors, and clocks that are a little off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expenses.accounts import totp
from expenses.accounts.tokens import new_recovery_codes, recovery_code_hash

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, the last six of its eight digits."""
    now = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_of(SECRET, totp.step_of(now)) == code
    assert totp.matching_step(SECRET, code, now=now) == seconds // 30


@pytest.mark.parametrize(("seconds", "is_taken"), [(-61, False), (-30, True), (0, True), (59, True), (60, False)])
def test_a_clock_may_be_one_step_off_and_no_more(seconds: int, is_taken: object) -> None:
    shown_at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    code = totp.code_of(SECRET, totp.step_of(shown_at))
    found = totp.matching_step(SECRET, code, now=shown_at + timedelta(seconds=seconds))
    assert (found is not None) == is_taken


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_code_or_is_not(text: str) -> None:
    found = totp.matching_step(SECRET, text, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert found is None or totp.is_code(text)


def test_the_address_in_the_qr_code_is_what_apps_read() -> None:
    address = totp.enrolment_address(SECRET, account="a+b&c@example.org")
    assert address == (
        "otpauth://totp/Expenses:a%2Bb%26c@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Expenses"
    )


def test_recovery_codes_are_ten_of_80_bits_and_forgive_how_they_are_typed() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(len(code) == 19 for code in codes)
    assert recovery_code_hash(codes[0]) == recovery_code_hash(" " + codes[0].upper().replace("-", " "))
    assert len({recovery_code_hash(code) for code in codes}) == 10
