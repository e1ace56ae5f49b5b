"""The questions about who owes whom, and what is written about payments. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, tuple_

from expenses.db import HotQuery
from expenses.money import CURRENCIES, Money
from expenses.sharing.model import Balance, Settlement
from expenses.sharing.tables import balance_sum, settlement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.db import Session
    from expenses.ledger.cursor import PageKey

_SETTLEMENTS = select(settlement).where(settlement.c.workspace_id == bindparam("workspace_id"))
_MINOR = func.sum(balance_sum.c.minor)
BALANCES = HotQuery(
    select(balance_sum.c.user_id, balance_sum.c.currency, _MINOR.label("minor"))
    .where(balance_sum.c.workspace_id == bindparam("workspace_id"))
    .group_by(balance_sum.c.user_id, balance_sum.c.currency)
    .having(_MINOR != 0)
    .order_by(balance_sum.c.currency, balance_sum.c.user_id)
)


async def balances_of(session: Session, *, workspace_id: UUID) -> list[Balance]:
    """What everybody gets back or owes, by currency, then by id; in one statement, so of one moment.

    Reads sums only, however many expenses there are.
    """
    rows = await BALANCES.rows(session, workspace_id=workspace_id)
    return [Balance(row.user_id, Money(int(row.minor), CURRENCIES[row.currency])) for row in rows]


async def settlements_on_page(
    session: Session, *, workspace_id: UUID, after: PageKey | None, limit: int
) -> list[Settlement]:
    """The newest settlements that come after a key."""
    statement = _SETTLEMENTS.order_by(settlement.c.paid_on.desc(), settlement.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(settlement.c.paid_on, settlement.c.id) < tuple_(after.spent_on, after.id))
    return [_settlement(row) for row in await session.execute(statement, {"workspace_id": workspace_id})]


async def settlement_with_id(
    session: Session, *, workspace_id: UUID, settlement_id: UUID, for_update: bool = False
) -> Settlement | None:
    """One settlement. `for_update` makes others who want to delete it wait for our commit."""
    statement = _SETTLEMENTS.where(settlement.c.id == settlement_id)
    if for_update:
        statement = statement.with_for_update()
    row = (await session.execute(statement, {"workspace_id": workspace_id})).first()
    return None if row is None else _settlement(row)


async def settlements_with_ids(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> list[Settlement]:
    """Those of these that there are, in no order."""
    statement = _SETTLEMENTS.where(settlement.c.id == func.any(list(ids)))
    return [_settlement(row) for row in await session.execute(statement, {"workspace_id": workspace_id})]


async def insert_settlement(session: Session, *, workspace_id: UUID, new: Settlement) -> None:
    """Store a new settlement."""
    values = {
        "workspace_id": workspace_id,
        "id": new.id,
        "from_user_id": new.from_user_id,
        "to_user_id": new.to_user_id,
        "amount_minor": new.amount.minor,
        "currency": new.amount.currency.code,
        "paid_on": new.paid_on,
        "note": new.note,
        "created_by": new.created_by,
        "created_at": new.created_at,
    }
    await session.execute(insert(settlement), values)


async def delete_settlement(session: Session, *, workspace_id: UUID, settlement_id: UUID) -> None:
    """Take a settlement away."""
    statement = delete(settlement).where(settlement.c.workspace_id == workspace_id, settlement.c.id == settlement_id)
    await session.execute(statement)


def _settlement(row: Row[Any]) -> Settlement:
    return Settlement(
        id=row.id,
        from_user_id=row.from_user_id,
        to_user_id=row.to_user_id,
        amount=Money(row.amount_minor, CURRENCIES[row.currency]),
        paid_on=row.paid_on,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
    )
