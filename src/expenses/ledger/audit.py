"""The record of who changed what. Pure: no I/O, no clock. An event is written in the transaction of its change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from structlog.contextvars import get_contextvars

from expenses.ids import uuid7
from expenses.ledger.model import Expense

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.ledger.categories import Category

Action = Literal["create", "change", "delete", "restore", "archive"]
"""What was done to something."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change of one thing."""

    id: UUID
    at: datetime
    actor_id: UUID | None
    """Who did it; `None` is the service itself."""
    entity: str
    """`expense` or `category`."""
    entity_id: UUID
    action: Action
    before: dict[str, Any] | None
    """The thing as it was, in the API's JSON; `None` when it is new."""
    after: dict[str, Any] | None
    """The thing as it is since; `None` when it is gone."""
    request_id: str | None = None
    """As in the log, if the request had one."""


def event_of(
    action: Action,
    *,
    before: Expense | Category | None,
    after: Expense | Category | None,
    actor_id: UUID | None,
    now: datetime,
) -> AuditEvent:
    """What to record about a change from one state to another; at least one of them must be there."""
    subject = after or before
    if subject is None:
        raise ValueError("nothing was changed")
    request_id = get_contextvars().get("request_id")
    return AuditEvent(
        id=uuid7(now),
        at=now,
        actor_id=actor_id,
        entity="expense" if isinstance(subject, Expense) else "category",
        entity_id=subject.id,
        action=action,
        before=before.snapshot() if before else None,
        after=after.snapshot() if after else None,
        request_id=str(request_id) if request_id else None,
    )
