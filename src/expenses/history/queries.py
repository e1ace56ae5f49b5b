"""The questions that verifying asks of more than the record itself. They only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from expenses.audit.tables import audit_event
from expenses.ledger.tables import category, expense
from expenses.payments.tables import payment_account
from expenses.sharing.tables import settlement
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.db import Session


async def workspace_ids(session: Session) -> list[UUID]:
    """All workspaces there are."""
    return list((await session.execute(select(workspace.c.id).order_by(workspace.c.id))).scalars())


async def unrecorded(session: Session, *, workspace_id: UUID, limit: int) -> list[tuple[str, UUID]]:
    """What stands in the tables though no event says how it came there: what it is, and its id."""
    found: list[tuple[str, UUID]] = []
    for table in (expense, category, settlement, payment_account):
        has_event = select(audit_event.c.id).where(
            audit_event.c.workspace_id == workspace_id, audit_event.c.entity_id == table.c.id
        )
        statement = select(table.c.id).where(table.c.workspace_id == workspace_id, ~has_event.exists())
        ids = (await session.execute(statement.order_by(table.c.id).limit(limit))).scalars()
        found += [(table.name, each) for each in ids]
    return found
