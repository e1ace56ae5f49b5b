"""Identifiers of everything that is stored: UUIDv7, so that new rows land at the end of an index.

Not here: secrets. An id can be guessed in part, it is no proof of a right.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def uuid7(now: datetime) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) that sorts by `now`, an aware time, to a quarter of a microsecond; then at random.

    The 12 bits behind the milliseconds hold the fraction of the millisecond (RFC 9562, 6.2, method 3).
    """
    milliseconds, rest = divmod(now - _EPOCH, timedelta(milliseconds=1))
    fraction = rest.microseconds * 4096 // 1000
    head = milliseconds << 16 | 0x7 << 12 | fraction
    return UUID(int=head << 64 | 0b10 << 62 | secrets.randbits(62))
