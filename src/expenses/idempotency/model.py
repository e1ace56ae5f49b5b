"""What it takes to answer a repeated request as the first time. Pure: no I/O, no clock.

ServiceError
└── Conflict
    ├── IdempotencyConflict     the key belongs to another request
    └── IdempotencyInProgress   the first request with this key is still at work
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from expenses.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

KEPT_FOR = timedelta(hours=24)
"""How long a key is remembered: longer than any client goes on trying, and short enough to keep the table small."""

LONGEST_KEY = 255
"""Characters of a key; a UUID has 36."""

LONGEST_WAIT = timedelta(seconds=2)
"""How long a request waits for the first one with its key. Both hold a connection of the pool for as long."""


class IdempotencyConflict(Conflict):
    """This `Idempotency-Key` was used for another request."""

    code = "idempotency_conflict"
    remedy = "Use a new key for a new request; repeat a request with exactly the same method, address and body."


class IdempotencyInProgress(Conflict):
    """The first request with this `Idempotency-Key` is still being worked on."""

    code = "idempotency_in_progress"
    remedy = "Send the same request with the same key again, after as many seconds as `Retry-After` says."


@dataclass(frozen=True, slots=True)
class Claim:
    """What a key stands for: whose it is, and which request they sent."""

    workspace_id: UUID
    """Where it was sent; the person's own id where no workspace is concerned."""
    user_id: UUID
    key: str
    fingerprint: bytes
    """Of the request, `fingerprint_of`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is repeated."""

    status: int
    headers: Mapping[str, str]
    body: str


def fingerprint_of(method: str, address: str, body: bytes) -> bytes:
    """Equal for equal requests. Bodies are compared as JSON: the order of members and spaces do not count."""
    with contextlib.suppress(ValueError, RecursionError):  # what is no JSON compares byte by byte
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    return hashlib.sha256(b"\0".join((method.encode(), address.encode(), body))).digest()
