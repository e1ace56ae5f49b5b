"""Where a list of expenses goes on: by day, then by id. What a cursor is: `expenses.cursor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from expenses.cursor import InvalidCursor, decode, decode_id, encode

__all__ = ["InvalidCursor", "PageKey", "decode", "decode_id", "encode"]

_DAY_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class PageKey:
    """The sort key of an expense in its list: newest day first, then newest id first."""

    spent_on: date
    id: UUID

    def cursor(self, *, scope: str) -> str:
        """The text that a client hands back. `scope` names the list: workspace and filter."""
        return encode(self.spent_on.toordinal().to_bytes(_DAY_BYTES, "big") + self.id.bytes, scope=scope)

    @classmethod
    def from_cursor(cls, text: str, *, scope: str) -> PageKey:
        """The key in a cursor of this list. Raises `InvalidCursor`."""
        key = decode(text, scope=scope, length=_DAY_BYTES + 16)
        try:
            day = date.fromordinal(int.from_bytes(key[:_DAY_BYTES], "big"))
        except (ValueError, OverflowError) as exc:
            raise InvalidCursor(field="cursor") from exc
        return cls(day, UUID(bytes=key[_DAY_BYTES:]))
