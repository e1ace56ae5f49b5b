"""The record of who changed what. Pure: no I/O, no clock. An event is written in the transaction of its change.

Any noun can record: what it changes says its name, its id and what it looks like (`Recorded`), or is told to
`event_about`. Only text, whole numbers, booleans, lists, mappings and nothing may stand in an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from expenses.ids import uuid7
from expenses.logs import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

Action = Literal[
    "create",
    "change",
    "delete",
    "restore",
    "archive",
    "merge",
    "purge",
    "invite",
    "accept",
    "revoke",
    "join",
    "leave",
    "remove",
    "hand_over",
    "load",
    "convert",
]
"""What was done to something. The list stands here and not in the database, so that an old application that still
serves and a newer one beside it may know different ones. Add to it freely; never take one away."""


class Recorded(Protocol):
    """Something whose changes go on record."""

    entity: ClassVar[str]
    """What it is, in the API's word: `expense`, `category`."""

    @property
    def id(self) -> UUID:
        """Which one it is, for good."""

    def snapshot(self) -> dict[str, Any]:
        """What it looks like in the API's JSON."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change of one thing."""

    id: UUID
    at: datetime
    actor_id: UUID | None
    """Who did it; `None` is the service itself."""
    entity: str
    """What it was done to: `expense`, `category`, `member`, …"""
    entity_id: UUID
    action: Action
    before: Mapping[str, Any] | None
    """The thing as it was, in the API's JSON; `None` when it is new."""
    after: Mapping[str, Any] | None
    """The thing as it is since; `None` when it is gone."""
    request_id: str | None = None
    """As in the log, if the request had one."""


def event_of(
    action: Action,
    *,
    before: Recorded | None,
    after: Recorded | None,
    actor_id: UUID | None,
    now: datetime,
) -> AuditEvent:
    """What to record about a change from one state to another; at least one of them must be there."""
    subject = after or before
    if subject is None:
        raise ValueError("nothing was changed")
    return event_about(
        subject.entity,
        subject.id,
        action,
        before=before.snapshot() if before else None,
        after=after.snapshot() if after else None,
        actor_id=actor_id,
        now=now,
    )


def event_about(
    entity: str,
    entity_id: UUID,
    action: Action,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    actor_id: UUID | None,
    now: datetime,
) -> AuditEvent:
    """What to record about something that has no class of its own.

    Whoever records must have locked the thing's row first (or just inserted it): events of one thing form a chain, and
    two transactions cannot both add its next link.
    """
    return AuditEvent(
        id=uuid7(now),
        at=now,
        actor_id=actor_id,
        entity=entity,
        entity_id=entity_id,
        action=action,
        before=before,
        after=after,
        request_id=REQUEST_ID.get(),
    )
