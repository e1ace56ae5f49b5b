"""The questions that verifying asks of more than the record itself; `mend_sums` writes, and commits nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Uuid, bindparam, select, text

from expenses.audit.tables import audit_event
from expenses.ledger.tables import category, expense
from expenses.payments.tables import payment_account
from expenses.sharing.tables import settlement
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.db import Session


_MISSING = text("""
    SELECT format('%s minor units of %s and %s in number, of what was spent on %s', minor, currency, number, spent_on)
    FROM missing_in_day_sum(:workspace_id)
    UNION ALL
    SELECT format('%s minor units of %s and %s in number, of category %s in the month from %s', minor, currency, number,
        category_id, month) FROM missing_in_category_sum(:workspace_id)
    UNION ALL
    SELECT format('%s minor units of %s, of what person %s is owed', minor, currency, user_id)
    FROM missing_in_balance_sum(:workspace_id)
""").bindparams(bindparam("workspace_id", type_=Uuid))
_MEND = text("SELECT mend_sums(:workspace_id)").bindparams(bindparam("workspace_id", type_=Uuid))


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


async def missing_in_sums(session: Session, *, workspace_id: UUID) -> list[str]:
    """What the sums that reports and balances are read from lack (or have too much), by counting the ledger anew."""
    return list((await session.execute(_MISSING, {"workspace_id": workspace_id})).scalars())


async def mend_sums(session: Session, *, workspace_id: UUID) -> int:
    """Add what is missing in the sums, and say in how many. Whoever writes meanwhile waits for nothing."""
    mended: int = (await session.execute(_MEND, {"workspace_id": workspace_id})).scalar_one()
    return mended
