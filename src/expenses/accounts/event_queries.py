"""The record of what happened to an account: written with what happened, read by its owner. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.model import AccountEvent
from expenses.accounts.tables import account_event
from expenses.ids import uuid7

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import EventKind
    from expenses.db import Session

KEPT = 1000
"""Events of one account. A program that signs in every hour fills them in six weeks, a person in years."""


async def insert_event(
    session: Session, *, user_id: UUID, kind: EventKind, now: datetime, detail: str | None = None
) -> None:
    """Write down what happened; `detail` is a name that its owner gave or a device, never a secret."""
    values = {"user_id": user_id, "id": uuid7(now), "kind": kind, "detail": detail, "happened_at": now}
    await session.execute(insert(account_event), values)


async def events_of(session: Session, *, user_id: UUID, limit: int, before: UUID | None = None) -> list[AccountEvent]:
    """What happened to an account, newest first, at most `limit` of what is older than `before`."""
    statement = select(account_event).where(account_event.c.user_id == user_id)
    if before is not None:
        statement = statement.where(account_event.c.id < before)
    statement = statement.order_by(account_event.c.id.desc()).limit(limit)
    return [AccountEvent(row.id, row.kind, row.detail, row.happened_at) for row in await session.execute(statement)]


async def forget_old_events(session: Session, *, user_id: UUID) -> None:
    """Delete all but the newest `KEPT` events of an account."""
    mine = account_event.c.user_id == user_id
    oldest_kept = select(account_event.c.id).where(mine).order_by(account_event.c.id.desc()).offset(KEPT - 1).limit(1)
    await session.execute(delete(account_event).where(mine, account_event.c.id < oldest_kept.scalar_subquery()))
