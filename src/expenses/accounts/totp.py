"""Time-based one-time passwords: RFC 6238 with what every authenticator app takes (SHA-1, 6 digits, 30 s). Pure.

That is a dozen lines of HMAC, so there is no dependency for it; the tests hold it against the RFC's own vectors.
"""

from __future__ import annotations

import base64
import hmac
import struct
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from datetime import datetime

DIGITS = 6
"""What people type; three of a million codes are right at any moment, which is why attempts are counted."""

STEP_S = 30
"""Seconds for which a code is shown."""

SKEW = 1
"""Time steps by which a phone's clock may be off, either way (RFC 6238, 5.2)."""

SECRET_BYTES = 20
"""As long as what SHA-1 gives (RFC 4226, 4, R6)."""

ISSUER = "Expenses"
"""What the app shows above the code."""


def step_of(now: datetime) -> int:
    """The time step of a moment."""
    return int(now.timestamp()) // STEP_S


def code_of(secret: bytes, step: int) -> str:
    """The code of a time step (RFC 4226, 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 0xF
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, code: str, *, now: datetime) -> int | None:
    """The time step that this code belongs to, the newest if several; nothing when it is none of now.

    Every step is compared, each in constant time: how long it takes tells nothing of the right codes.
    """
    current, given, found = step_of(now), code.encode("utf-8", "replace"), None
    for step in range(current - SKEW, current + SKEW + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), given):
            found = step
    return found


def is_code(text: str) -> bool:
    """Whether it has the form of a code."""
    return len(text) == DIGITS and text.isascii() and text.isdigit()


def secret_text(secret: bytes) -> str:
    """The secret as one types it into an app: base32."""
    return base64.b32encode(secret).decode().rstrip("=")


def enrolment_address(secret: bytes, *, account: str) -> str:
    """What the QR code says: https://github.com/google/google-authenticator/wiki/Key-Uri-Format."""
    query = urlencode({"secret": secret_text(secret), "issuer": ISSUER})
    return f"otpauth://totp/{ISSUER}:{quote(account, safe='@')}?{query}"
