"""Where a list goes on: opaque cursors that say a row's sort key and which list it belongs to.

A cursor is a position, not a right: a forged one leads to another place in a list that its user may read anyway.
It is bound to the list so that a cursor kept from another filter is refused instead of skipping rows silently.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import UUID

from expenses.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

Part = str | int | datetime | UUID
"""What a key is made of. A whole number is not negative, a time not before 1970."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LENGTHS: Final[dict[type, int]] = {str: 2, int: 4, datetime: 8, UUID: 16}
"""Bytes of each part; of a text, those that say how many it has."""

_LARGEST: Final = 2**31 - 1
"""Of PostgreSQL's `integer`, which is what a whole number is compared with."""

_LONGEST: Final = 1500
"""Characters of a cursor: a merchant of 200 characters, four bytes each, and the digest, in base64 are 1,100."""

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
    key = _opened(text, scope=scope)
    if len(key) != length:
        raise InvalidCursor(field="cursor")
    return key


def decode_id(text: str, *, scope: str) -> UUID:
    """The id in a cursor of a list that is sorted by nothing else. Raises `InvalidCursor`."""
    return UUID(bytes=decode(text, scope=scope, length=16))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows in their order, and where the following ones begin."""

    items: list[T]
    next: str | None
    """Opaque cursor of the next page; `None` on the last one."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One list that is turned by the page: which it is, and by what it is sorted."""

    scope: str
    """Its name, with all that decides which rows are in it."""
    kinds: tuple[type[Part], ...]
    """Of what its key is made."""
    key_of: Callable[[T], tuple[Part, ...]]
    """The key of a row; no two rows have the same."""

    def key_in(self, cursor: str | None) -> tuple[Any, ...] | None:
        """Behind which row to go on; nothing without a cursor.

        Raises:
            InvalidCursor: It is not one of this list.
        """
        if cursor is None:
            return None
        rest, parts = _opened(cursor, scope=self.scope), []
        try:
            for kind in self.kinds:
                part, rest = _part(kind, rest)
                parts.append(part)
        except (ValueError, OverflowError) as exc:
            raise InvalidCursor(field="cursor") from exc
        if rest:
            raise InvalidCursor(field="cursor")
        return tuple(parts)

    def page(self, found: Sequence[T], *, limit: int) -> Page[T]:
        """What was found as a page, where one row was asked for beyond it to know whether there is another page."""
        items = list(found[:limit])
        return Page(items, self._cursor(items[-1]) if len(found) > limit else None)

    def _cursor(self, last: T) -> str:
        return encode(b"".join(_bytes(part) for part in self.key_of(last)), scope=self.scope)


def _bytes(part: Part) -> bytes:
    if isinstance(part, UUID):
        return part.bytes
    if isinstance(part, str):
        text = part.encode()
        return len(text).to_bytes(_LENGTHS[str], "big") + text
    if isinstance(part, datetime):
        return ((part - _EPOCH) // timedelta(microseconds=1)).to_bytes(_LENGTHS[datetime], "big")
    return part.to_bytes(_LENGTHS[int], "big")


def _part(kind: type[Part], key: bytes) -> tuple[Part, bytes]:
    """The first part of a key, and the rest. Raises `ValueError` or `OverflowError` for what nobody encoded."""
    length = _LENGTHS[kind]
    head, rest = key[:length], key[length:]
    if len(head) != length:
        raise ValueError
    if kind is UUID:
        return UUID(bytes=head), rest
    number = int.from_bytes(head, "big")
    if kind is datetime:
        return _EPOCH + timedelta(microseconds=number), rest
    if kind is int:
        if number > _LARGEST:
            raise ValueError
        return number, rest
    text = rest[:number].decode()
    if len(rest) < number or "\0" in text:  # which PostgreSQL has no room for
        raise ValueError
    return text, rest[number:]


def _opened(text: str, *, scope: str) -> bytes:
    """The key in a cursor of this list."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= _LONGEST else b""
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise InvalidCursor(field="cursor") from exc
    key = raw[:-_SCOPE_BYTES]
    if encode(key, scope=scope) != text:
        raise InvalidCursor(field="cursor")
    return key


def _digest(scope: str) -> bytes:
    return hashlib.sha256(scope.encode()).digest()[:_SCOPE_BYTES]
