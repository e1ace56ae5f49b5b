"""The questions that workspaces ask the database, and what they write into it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.tables import user_account
from expenses.workspaces.model import Member, Membership, Workspace
from expenses.workspaces.tables import membership, workspace

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.db import Session
    from expenses.workspaces.model import Role

_MEMBERSHIPS = select(workspace, membership.c.role).join_from(membership, workspace)

# Built once: this one is asked by every request that touches a workspace.
_MEMBERSHIP = _MEMBERSHIPS.where(
    membership.c.workspace_id == bindparam("workspace_id"), membership.c.user_id == bindparam("user_id")
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
    """How somebody belongs to a workspace; nothing when they do not, or when there is no such workspace."""
    row = (await session.execute(_MEMBERSHIP, {"user_id": user_id, "workspace_id": workspace_id})).first()
    return None if row is None else _membership(row, user_id)


async def memberships_of(session: Session, *, user_id: UUID) -> list[Membership]:
    """All workspaces that somebody belongs to, oldest first."""
    statement = _MEMBERSHIPS.where(membership.c.user_id == user_id).order_by(workspace.c.id)
    return [_membership(row, user_id) for row in await session.execute(statement)]


async def members_of(session: Session, *, workspace_id: UUID) -> list[Member]:
    """Everybody who belongs to a workspace, in the order in which they joined."""
    columns = (user_account.c.id, user_account.c.email, user_account.c.display_name)
    statement = select(*columns, membership.c.role, membership.c.created_at).join_from(membership, user_account)
    statement = statement.where(membership.c.workspace_id == workspace_id)
    rows = await session.execute(statement.order_by(membership.c.created_at, user_account.c.id))
    return [Member(row.id, row.email, row.display_name, row.role, row.created_at) for row in rows]


def _membership(row: Row[tuple[object, ...]], user_id: UUID) -> Membership:
    found = Workspace(row.id, row.name, row.kind, row.base_currency, row.time_zone, row.created_at)
    return Membership(workspace=found, user_id=user_id, role=row.role)
