"""Secrets that stand for a signed-in person: made here, told once, remembered only as a hash.

SHA-256 is enough for them, since unlike passwords they are random: 256 bits leave nothing to guess.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

from expenses.accounts.totp import SECRET_BYTES

TOKEN_PREFIX = "exp_"  # noqa: S105 - not a secret: it lets people and secret scanners recognise one
"""What every API token begins with."""

_SECRET_BYTES = 32

RECOVERY_CODES = 10
"""How many one gets at a time."""

_RECOVERY_BYTES = 10
"""80 bits: 16 characters to type, and too many to try, be it offline against their hashes."""


def new_api_token() -> str:
    """A fresh API token: the prefix and 256 random bits in 43 characters that need no quoting anywhere."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_session_token() -> str:
    """A fresh secret for a session's cookie or form."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def token_hash(token: str) -> bytes:
    """What the database knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def new_factor_secret() -> bytes:
    """A fresh secret for an authenticator app. Unlike all others here it is stored as it is: codes are made of it."""
    return secrets.token_bytes(SECRET_BYTES)


def new_recovery_codes() -> list[str]:
    """Fresh codes for the day the phone is gone: `abcd-efgh-ijkl-mnop`, each good once."""
    return [_in_groups(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]


def recovery_code_hash(code: str) -> bytes:
    """What the database knows of a recovery code, however its owner types it: with or without dashes, in any case."""
    return token_hash("".join(code.split()).replace("-", "").lower())


def _in_groups(secret: bytes) -> str:
    text = base64.b32encode(secret).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))
