"""Identifiers of everything that is stored: UUIDv7, so that new rows land at the end of an index.

Not here: secrets. An id can be guessed in part, it is no proof of a right.
"""

from __future__ import annotations

import itertools
import os
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, AnyStr

from asyncpg.pgproto.pgproto import UUID as DRIVERS_UUID

if TYPE_CHECKING:
    from uuid import UUID

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

_COUNTER_BITS, _RANDOM_BITS = 30, 32

_made = itertools.count(secrets.randbits(_COUNTER_BITS - 1))
"""Begins anywhere, so that two processes hardly ever count alike."""


def uuid7(now: datetime) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) that sorts by `now`, an aware time, to a quarter of a microsecond.

    What one process makes at the same moment sorts in the order in which it was made: all events of one request have
    its time. The 12 bits behind the milliseconds hold the fraction of the millisecond (RFC 9562, 6.2, method 3), the
    30 behind those a counter (method 1).
    """
    milliseconds, rest = divmod(now - _EPOCH, timedelta(milliseconds=1))
    fraction = rest.microseconds * 4096 // 1000
    head = milliseconds << 16 | 0x7 << 12 | fraction
    counter = next(_made) % (1 << _COUNTER_BITS)
    tail = 0b10 << 62 | counter << _RANDOM_BITS
    random = os.urandom(_RANDOM_BITS // 8)
    return _uuid((head << 64 | tail).to_bytes(16)[: -len(random)] + random)


def read_id(text: str) -> UUID:
    """The id that this says, in its usual spelling of 36 characters. Raises `ValueError`."""
    if len(text) != 36 or any(text[place] != "-" for place in (8, 13, 18, 23)):
        raise ValueError("an id has 32 digits and four dashes")
    return _uuid(text)


def _uuid(said: AnyStr) -> UUID:
    # The driver's kind of `uuid.UUID`, which all rows have: made, written and sent in a tenth of the time.
    made: UUID = DRIVERS_UUID(said)
    return made
