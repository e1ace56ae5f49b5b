"""The questions that payment accounts ask the database, and what they write into it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, tuple_, update

from expenses.payments.model import PaymentAccount
from expenses.payments.tables import payment_account
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.db import Session

_ACCOUNTS = select(payment_account).where(payment_account.c.workspace_id == bindparam("workspace_id"))


async def accounts_of(
    session: Session,
    *,
    workspace_id: UUID,
    with_archived: bool = True,
    after: tuple[str, UUID] | None = None,
    limit: int | None = None,
) -> list[PaymentAccount]:
    """The payment accounts of a workspace by name; those after a key, at most so many."""
    key = (payment_account.c.name, payment_account.c.id)
    statement = _ACCOUNTS.order_by(*key).limit(limit)
    if not with_archived:
        statement = statement.where(payment_account.c.archived_at.is_(None))
    if after is not None:
        statement = statement.where(tuple_(*key) > tuple_(*after))
    rows = await session.execute(statement, {"workspace_id": workspace_id})
    return [_account(row) for row in rows]


async def account_with_id(session: Session, *, workspace_id: UUID, account_id: UUID) -> PaymentAccount | None:
    """One payment account, an archived one too."""
    statement = _ACCOUNTS.where(payment_account.c.id == account_id)
    row = (await session.execute(statement, {"workspace_id": workspace_id})).first()
    return None if row is None else _account(row)


async def accounts_in_use(session: Session, *, workspace_id: UUID, among: Iterable[UUID]) -> set[UUID]:
    """Which of these are payment accounts of this workspace that are not archived."""
    account = payment_account.c
    statement = select(account.id).where(account.workspace_id == workspace_id, account.archived_at.is_(None))
    return set((await session.execute(statement.where(account.id == func.any(list(among))))).scalars())


async def lock_accounts(session: Session, *, workspace_id: UUID) -> None:
    """Make others who want to change payment accounts of this workspace wait for our commit."""
    statement = select(workspace.c.id).where(workspace.c.id == workspace_id)
    await session.execute(statement.with_for_update(key_share=True))


async def insert_account(session: Session, *, workspace_id: UUID, new: PaymentAccount) -> None:
    """Store a new payment account."""
    values = {"workspace_id": workspace_id, "id": new.id, "name": new.name, "kind": new.kind}
    values |= {"currency": new.currency, "created_at": new.created_at}
    await session.execute(insert(payment_account), values)


async def store_account(session: Session, *, workspace_id: UUID, changed: PaymentAccount) -> None:
    """Replace a payment account."""
    account = payment_account.c
    statement = update(payment_account).where(account.workspace_id == workspace_id, account.id == changed.id)
    values = {"name": changed.name, "kind": changed.kind, "currency": changed.currency}
    await session.execute(statement.values(values | {"archived_at": changed.archived_at}))


def _account(row: Row[Any]) -> PaymentAccount:
    return PaymentAccount(row.id, row.name, row.kind, row.currency, row.created_at, row.archived_at)
