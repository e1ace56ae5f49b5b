"""Following the chains of a workspace, event by event, and saying where one is broken. Pure: no I/O, no clock.

Feed a `Walk` the links of one workspace in the order thing, place in the chain, those without a place last, then id.
It keeps one event and a few numbers, however long the record is.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from expenses.audit.chain import START, Seal, linked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from expenses.audit.chain import Link
    from expenses.audit.model import AuditEvent

Kind = Literal["content", "missing", "loose", "state", "unrecorded", "seal", "sum"]
"""What is wrong, as `docs/audit.md` explains it."""

NEXT_STEP: dict[Kind, str] = {
    "content": "compare the event with a backup made before you last found the chain intact",
    "missing": "look for the events in a backup made before you last found the chain intact",
    "loose": "find out which application, or who, wrote it: this version gives every event a place",
    "state": "compare the row and its last event with a backup; correct the row through the application",
    "unrecorded": "find out who wrote the row past the application, or look for its events in a backup",
    "seal": "compare with the seals that you kept elsewhere: `expenses verify --kept FILE`",
    "sum": "count anew: `expenses verify --mend-sums`; what is recorded is not touched",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the record does not hold together. Says nothing of what the event is about but its id."""

    kind: Kind
    what: str
    workspace_id: UUID
    entity: str | None = None
    entity_id: UUID | None = None
    event_id: UUID | None = None
    at: datetime | None = None

    @property
    def next_step(self) -> str:
        """What to do about it."""
        return NEXT_STEP[self.kind]


class Tally:
    """What the events of a workspace come to, up to a position: what a seal says, and what one is checked against."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.events = self.things = self.loose = 0
        self._sha = sha256()
        self._thing: UUID | None = None
        self._head: tuple[int, bytes] | None = None

    def take(self, link: Link, content: bytes) -> None:
        """Count this event, unless it came later."""
        if link.position is not None and link.position > self.until:
            return
        if link.event.entity_id != self._thing:
            self._close()
            self._thing = link.event.entity_id
            self.things += 1
        self.events += 1
        if link.seq is None or link.hash is None:
            self.loose += 1
            self._sha.update(b"loose" + sha256(content).digest())
        else:
            self._head = (link.seq, link.hash)

    def digest(self) -> bytes:
        """The hash over all chains so far; nothing is taken after this."""
        self._close()
        return self._sha.digest()

    def seal(self, *, workspace_id: UUID, after: Seal | None, at: datetime) -> Seal:
        """The next seal of the workspace."""
        digest = self.digest()
        number, previous = (after.number + 1, after.hash) if after else (1, START)
        return Seal(workspace_id, number, at, self.until, self.events, self.things, self.loose, digest, previous)

    def _close(self) -> None:
        if self._head is not None and self._thing is not None:
            seq, end = self._head
            self._sha.update(b"chain" + self._thing.bytes + seq.to_bytes(4, "big") + end)
        self._head = None


class Walk:
    """One pass over the record of one workspace."""

    def __init__(self, workspace_id: UUID, *, sealed_until: int | None) -> None:
        self._workspace_id = workspace_id
        self._sealed_until = sealed_until
        self._seq = 0
        self._previous = START
        self._latest: Link | None = None
        self.loose = 0

    def take(self, link: Link, content: bytes) -> Iterator[Fault]:
        """What is wrong with this event where it stands."""
        if self._latest is None or link.event.entity_id != self._latest.event.entity_id:
            self._seq, self._previous, self._latest = 0, START, link
        elif _is_later(link, self._latest):
            self._latest = link
        if link.seq is None:
            yield from self._loose(link)
            return
        if link.seq != self._seq + 1:
            yield self._fault("missing", _gap(self._seq, link.seq, _named(link.event)), link.event)
        elif link.hash != linked(self._previous, content):
            what = f"event {link.seq} of {_named(link.event)} is not what was recorded there"
            yield self._fault("content", what, link.event)
        self._seq, self._previous = link.seq, link.hash or START

    def ends(self, link: Link | None) -> AuditEvent | None:
        """The last event of the thing so far, when this link (`None`: the end) is about another."""
        if self._latest is None or (link is not None and link.event.entity_id == self._latest.event.entity_id):
            return None
        return self._latest.event

    def _loose(self, link: Link) -> Iterator[Fault]:
        self.loose += 1
        if link.hash is not None:
            what = f"an event of {_named(link.event)} was taken out of its chain"
            yield self._fault("content", what, link.event)
        elif self._sealed_until is not None and link.position is not None and link.position > self._sealed_until:
            what = f"an event of {_named(link.event)} has no place in a chain, though it came after a seal"
            yield self._fault("loose", what, link.event)

    def _fault(self, kind: Kind, what: str, event: AuditEvent) -> Fault:
        return Fault(kind, what, self._workspace_id, event.entity, event.entity_id, event.id, event.at)


def seal_fault(seal: Seal, tally: Tally) -> Fault | None:
    """What is wrong with the record as far as this seal covers it."""
    if (seal.events, seal.things, seal.loose) != (tally.events, tally.things, tally.loose):
        found = f"{tally.events} events about {tally.things} things, {tally.loose} of them from before the chain"
        said = f"{seal.events} about {seal.things}, {seal.loose} of them"
        return Fault("seal", f"seal {seal.number} covers {said}; there are {found}", seal.workspace_id)
    if seal.digest != tally.digest():
        what = f"what seal {seal.number} covers is not what it was when it was sealed"
        return Fault("seal", what, seal.workspace_id)
    return None


def _is_later(link: Link, other: Link) -> bool:
    return _rank(link) > _rank(other)


def _rank(link: Link) -> tuple[int, int, UUID]:
    # Before the chain there was no other order than ids, which follow the request's clock, and the expense's version.
    version = (link.event.after or {}).get("version", 0)
    return link.position or 0, version if isinstance(version, int) else 0, link.event.id


def _gap(last: int, found: int, thing: str) -> str:
    if found <= last:
        return f"there is another event {found} of {thing}"
    first = last + 1
    return (
        f"event {first} of {thing} is missing"
        if found == first + 1
        else (f"events {first} to {found - 1} of {thing} are missing")
    )


def _named(event: AuditEvent) -> str:
    return f"{event.entity} {event.entity_id}"
