"""Where a list goes on: opaque cursors that say a row's sort key and which list it belongs to.

A cursor is a position, not a right: a forged one leads to another place in a list that its user may read anyway.
It is bound to the list so that a cursor kept from another filter is refused instead of skipping rows silently.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

from expenses.errors import Invalid

_SCOPE_BYTES: Final = 8
"""Enough that two filters do not meet by chance; nobody gains anything by making them meet."""


class InvalidCursor(Invalid):
    """This cursor does not belong to this list; begin again without one."""

    code = "invalid_cursor"


def encode(key: bytes, *, scope: str) -> str:
    """A cursor for this key in this list: base64url of both, without padding."""
    return urlsafe_b64encode(key + _digest(scope)).rstrip(b"=").decode("ascii")


def decode(text: str, *, scope: str, length: int) -> bytes:
    """The key of `length` bytes in a cursor of this list.

    Raises:
        InvalidCursor: Not a cursor, not in the one spelling that `encode` gives, or of another list.
    """
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= 64 else b""
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise InvalidCursor(field="cursor") from exc
    key = raw[:length]
    if len(key) != length or encode(key, scope=scope) != text:
        raise InvalidCursor(field="cursor")
    return key


def decode_id(text: str, *, scope: str) -> UUID:
    """The id in a cursor of a list that is sorted by nothing else. Raises `InvalidCursor`."""
    return UUID(bytes=decode(text, scope=scope, length=16))


def encode_id(key: UUID, *, scope: str) -> str:
    """A cursor for a list that is sorted by nothing but the id."""
    return encode(key.bytes, scope=scope)


def _digest(scope: str) -> bytes:
    return hashlib.sha256(scope.encode()).digest()[:_SCOPE_BYTES]
