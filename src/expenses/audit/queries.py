"""Writing the record of changes, and reading it page by page. Nothing here commits, changes or deletes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from expenses.audit.model import AuditEvent
from expenses.audit.tables import audit_event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from expenses.db import Session


async def insert_audit_events(session: Session, *, workspace_id: UUID, new: Iterable[AuditEvent]) -> None:
    """Add to the record of changes, in the transaction of the changes themselves."""
    values = [
        {
            "workspace_id": workspace_id,
            "id": each.id,
            "at": each.at,
            "actor_id": each.actor_id,
            "entity": each.entity,
            "entity_id": each.entity_id,
            "action": each.action,
            "before": each.before,
            "after": each.after,
            "request_id": each.request_id,
        }
        for each in new
    ]
    await session.execute(insert(audit_event), values)


async def audit_events_on_page(
    session: Session, *, workspace_id: UUID, entity_id: UUID | None, after: UUID | None, limit: int
) -> list[AuditEvent]:
    """The newest changes after an id, of one thing or of the whole workspace."""
    statement = select(audit_event).where(audit_event.c.workspace_id == workspace_id)
    if entity_id is not None:
        statement = statement.where(audit_event.c.entity_id == entity_id)
    if after is not None:
        statement = statement.where(audit_event.c.id < after)
    rows = await session.execute(statement.order_by(audit_event.c.id.desc()).limit(limit))
    return [
        AuditEvent(
            id=row.id,
            at=row.at,
            actor_id=row.actor_id,
            entity=row.entity,
            entity_id=row.entity_id,
            action=row.action,
            before=row.before,
            after=row.after,
            request_id=row.request_id,
        )
        for row in rows
    ]
