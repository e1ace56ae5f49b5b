"""The chain that shows whether the record of changes was tampered with. Pure: no I/O, no clock.

The events of one thing (one expense, one member, …) form a chain: each carries SHA-256 of its predecessor's hash and
of its own content, so none can be changed, removed, inserted or moved without the hashes after it failing to follow.
A seal says what all chains of a workspace came to at one moment, so that a whole chain, or its end, cannot go missing
unnoticed. What this can show and what it cannot is in docs/audit.md.

A chain for each thing, not for each workspace, because whoever changes a thing has locked it anyway: writers of one
workspace do not wait for each other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from expenses.audit.model import AuditEvent

START: Final = bytes(32)
"""What stands in place of a predecessor's hash before the first event of a thing."""

FORM: Final = 1
"""Number of the canonical form below; another form of it would be another number."""


@dataclass(frozen=True, slots=True)
class Link:
    """One event where it stands in the record."""

    workspace_id: UUID
    event: AuditEvent
    seq: int | None
    """1 for the first change of a thing. `None`: written by a version of the application that knew no chain."""
    hash: bytes | None
    position: int | None
    """In which order events were written, whatever they are about; `None` for those from before the chain."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What the record of a workspace came to when it was sealed."""

    workspace_id: UUID
    number: int
    """1 for a workspace's first."""
    at: datetime
    until: int
    """The last position that it covers."""
    events: int
    """How many events."""
    things: int
    """How many things they are about."""
    loose: int
    """How many of the events are from before the chain."""
    digest: bytes
    """Over the ends of all chains, and over each event from before the chain."""
    previous: bytes
    """Hash of the seal before, `START` for the first."""

    @property
    def hash(self) -> bytes:
        """What to keep elsewhere."""
        said = [
            FORM,
            str(self.workspace_id),
            self.number,
            _instant(self.at),
            self.until,
            self.events,
            self.things,
            self.loose,
            self.digest.hex(),
            self.previous.hex(),
        ]
        return sha256(_json(said)).digest()


def canonical(workspace_id: UUID, event: AuditEvent) -> bytes:
    """The one spelling of an event, which survives being stored as JSONB and read again.

    JSON in UTF-8 without blanks, keys in the order of their code points: JSONB forgets blanks, the order of keys and
    how a number was written, so none of it may count.

    Raises:
        TypeError: Something other than text, whole numbers, booleans, lists, mappings and nothing stands in it.
    """
    _check(event.before)
    _check(event.after)
    said = [
        FORM,
        str(workspace_id),
        str(event.id),
        _instant(event.at),
        str(event.actor_id) if event.actor_id else None,
        event.entity,
        str(event.entity_id),
        event.action,
        event.before,
        event.after,
        event.request_id,
    ]
    return _json(said)


def linked(previous: bytes, content: bytes) -> bytes:
    """The hash of an event with this canonical content behind a predecessor with that hash."""
    return sha256(previous + content).digest()


def _json(said: list[Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


_PLAIN = frozenset({str, int, bool, type(None)})


def _check(value: object) -> None:
    if type(value) in _PLAIN:  # nearly everything; `isinstance` with a union takes five times as long
        return
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a key of an audit event is text, not {type(key).__name__}")
        _check_each(value.values())
    elif isinstance(value, list | tuple):
        _check_each(value)
    elif not isinstance(value, str | int | None):
        # 1.10 and 1.1 are one number to some readers and two texts to others: amounts are written as text.
        raise TypeError(f"an audit event cannot hold a {type(value).__name__}")


def _check_each(values: Iterable[object]) -> None:
    for each in values:
        if type(each) not in _PLAIN:  # asked here too: a call for each text would take as long as all the rest
            _check(each)
