"""The questions that workspaces ask the database, and what they write into it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, column, exists, select, table, update
from sqlalchemy.dialects.postgresql import insert

from expenses.db import HotQuery
from expenses.isolation import entering
from expenses.workspaces.model import Membership, Workspace
from expenses.workspaces.tables import membership, workspace

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.accounts.standing import Standing
    from expenses.db import Session
    from expenses.workspaces.model import Kind, Role

_MEMBERSHIPS = select(workspace, membership.c.role).join_from(membership, workspace)

# Named, not imported: the ledger stands above. All that is asked here is whether there is one.
_EXPENSE = table("expense", column("workspace_id"))

_MEMBERSHIP = HotQuery(
    _MEMBERSHIPS.add_columns(entering(membership.c.workspace_id)).where(
        membership.c.workspace_id == bindparam("workspace_id"), membership.c.user_id == bindparam("user_id")
    )
)


async def insert_workspace(session: Session, *, new: Workspace) -> None:
    """Store a new workspace; it has no members yet."""
    values = {
        "id": new.id,
        "name": new.name,
        "kind": new.kind,
        "base_currency": new.base_currency,
        "time_zone": new.time_zone,
        "created_at": new.created_at,
    }
    await session.execute(insert(workspace), values)


async def insert_membership(session: Session, *, workspace_id: UUID, user_id: UUID, role: Role, now: datetime) -> None:
    """Let somebody into a workspace."""
    values = {"workspace_id": workspace_id, "user_id": user_id, "role": role, "created_at": now}
    await session.execute(insert(membership), values)


async def membership_in(session: Session, *, user_id: UUID, workspace_id: UUID) -> Membership | None:
    """How somebody belongs to a workspace; nothing when they do not, or when there is no such workspace.

    If they do, the session works in it from now on: what other workspaces hold is out of its sight.
    """
    row = await _MEMBERSHIP.first(session, user_id=user_id, workspace_id=workspace_id)
    return None if row is None else _membership(row, user_id)


def membership_told(told: Standing, *, user_id: UUID) -> Membership | None:
    """As `membership_in`, from what was asked with the caller; the session works in the workspace already."""
    if told.role is None or told.created_at is None:
        return None
    place = Workspace(
        told.workspace_id, told.name, cast("Kind", told.kind), told.base_currency, told.time_zone, told.created_at
    )
    return Membership(workspace=place, user_id=user_id, role=cast("Role", told.role))


async def memberships_of(
    session: Session, *, user_id: UUID, after: UUID | None = None, limit: int | None = None
) -> list[Membership]:
    """All workspaces that somebody belongs to, oldest first; those after one of them, at most so many."""
    statement = _MEMBERSHIPS.where(membership.c.user_id == user_id).order_by(membership.c.workspace_id).limit(limit)
    if after is not None:
        statement = statement.where(membership.c.workspace_id > after)
    return [_membership(row, user_id) for row in await session.execute(statement)]


async def workspace_with_id(session: Session, *, workspace_id: UUID) -> Workspace | None:
    """One workspace."""
    row = (await session.execute(select(workspace).where(workspace.c.id == workspace_id))).first()
    return None if row is None else _workspace(row)


async def locked_workspace(session: Session, *, workspace_id: UUID, against_expenses: bool) -> Workspace:
    """The workspace, which nobody else changes until the transaction ends.

    Args:
        against_expenses: Keep expenses from being added too: their foreign key waits for a lock of the whole row.
    """
    statement = select(workspace).where(workspace.c.id == workspace_id)
    row = (await session.execute(statement.with_for_update(key_share=not against_expenses))).one()
    return _workspace(row)


async def store_workspace(session: Session, *, changed: Workspace) -> None:
    """Replace what can change about a workspace."""
    statement = update(workspace).where(workspace.c.id == changed.id)
    await session.execute(
        statement.values(
            name=changed.name, kind=changed.kind, base_currency=changed.base_currency, time_zone=changed.time_zone
        )
    )


async def has_expenses(session: Session, *, workspace_id: UUID) -> bool:
    """Whether anything was ever recorded in a workspace, trash included."""
    return bool((await session.execute(select(exists().where(_EXPENSE.c.workspace_id == workspace_id)))).scalar_one())


def _membership(row: Row[Any], user_id: UUID) -> Membership:
    return Membership(workspace=_workspace(row), user_id=user_id, role=row.role)


def _workspace(row: Row[Any]) -> Workspace:
    return Workspace(row.id, row.name, row.kind, row.base_currency, row.time_zone, row.created_at)
