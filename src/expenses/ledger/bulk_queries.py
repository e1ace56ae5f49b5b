"""Locking and writing many expenses at once; the part of `ledger.queries` for that. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select, update

from expenses.ledger.tables import expense

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session
    from expenses.ledger.model import Expense

_STORE = (
    update(expense)
    .where(expense.c.workspace_id == bindparam("in_workspace"), expense.c.id == bindparam("expense_id"))
    .values(
        {
            name: bindparam(name, type_=expense.c[name].type)
            for name in (
                "merchant",
                "category_id",
                "tags",
                "payer_id",
                "account_id",
                "version",
                "updated_at",
                "deleted_at",
            )
        }
    )
)


async def lock_expenses(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> None:
    """Make others who want to write one of these wait for our commit.

    Always in the order of ids, so that two who want the same ones do not wait for each other.
    """
    statement = select(expense.c.id).where(expense.c.workspace_id == workspace_id, expense.c.id == func.any(list(ids)))
    await session.execute(statement.order_by(expense.c.id).with_for_update())


async def store_expenses(session: Session, *, workspace_id: UUID, changed: list[Expense]) -> None:
    """Replace what a bulk change may have changed about expenses that this transaction has locked."""
    values = [
        {
            "in_workspace": workspace_id,
            "expense_id": each.id,
            "merchant": each.merchant,
            "category_id": each.category_id,
            "tags": list(each.tags),
            "payer_id": each.payer_id,
            "account_id": each.account_id,
            "version": each.version,
            "updated_at": each.updated_at,
            "deleted_at": each.deleted_at,
        }
        for each in changed
    ]
    await session.execute(_STORE, values)


async def trash_on_page(
    session: Session, *, workspace_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[UUID]:
    """The ids of what was put into the trash last, newest deletion first, after a key."""
    statement = select(expense.c.id).where(expense.c.workspace_id == workspace_id, expense.c.deleted_at.is_not(None))
    if after is not None:
        deleted_at, expense_id = after
        earlier = expense.c.deleted_at < deleted_at
        same = (expense.c.deleted_at == deleted_at) & (expense.c.id < expense_id)
        statement = statement.where(expense.c.deleted_at <= deleted_at, earlier | same)
    statement = statement.order_by(expense.c.deleted_at.desc(), expense.c.id.desc()).limit(limit)
    return list((await session.execute(statement)).scalars())


async def trash_before(session: Session, *, workspace_id: UUID, deadline: datetime, limit: int) -> list[UUID]:
    """The ids of what has been in the trash for longest, deleted before then."""
    statement = select(expense.c.id).where(expense.c.workspace_id == workspace_id, expense.c.deleted_at < deadline)
    statement = statement.order_by(expense.c.deleted_at, expense.c.id).limit(limit)
    return list((await session.execute(statement)).scalars())


async def workspaces_with_trash(session: Session, *, deadline: datetime) -> list[UUID]:
    """The workspaces in whose trash something has been since before then."""
    statement = select(expense.c.workspace_id).where(expense.c.deleted_at < deadline).distinct()
    return list((await session.execute(statement)).scalars())


async def erase_expenses(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> None:
    """Take expenses out of the database, with what hangs on them."""
    statement = delete(expense).where(expense.c.workspace_id == workspace_id, expense.c.id == func.any(list(ids)))
    await session.execute(statement)
