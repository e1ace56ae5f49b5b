"""Secrets that stand for a signed-in person: made here, told once, remembered only as a hash.

SHA-256 is enough for them, since unlike passwords they are random: 256 bits leave nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "exp_"  # noqa: S105 - not a secret: it lets people and secret scanners recognise one
"""What every API token begins with."""

_SECRET_BYTES = 32


def new_api_token() -> str:
    """A fresh API token: the prefix and 256 random bits in 43 characters that need no quoting anywhere."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def new_session_token() -> str:
    """A fresh secret for a session's cookie or form."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def token_hash(token: str) -> bytes:
    """What the database knows of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
