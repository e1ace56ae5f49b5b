"""The questions about members, and what changes them. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.tables import user_account
from expenses.workspaces.model import FormerMember, Member
from expenses.workspaces.roster import Roster
from expenses.workspaces.tables import former_member, membership, workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session
    from expenses.workspaces.model import Role

_MEMBERS = select(
    user_account.c.id, user_account.c.email, user_account.c.display_name, membership.c.role, membership.c.created_at
).join_from(membership, user_account)


async def members_of(
    session: Session, *, workspace_id: UUID, after: tuple[datetime, UUID] | None = None, limit: int | None = None
) -> list[Member]:
    """Everybody who belongs to a workspace, in the order in which they joined; those after a key, at most so many."""
    statement = _MEMBERS.where(membership.c.workspace_id == workspace_id)
    key = (membership.c.created_at, membership.c.user_id)
    if after is not None:
        statement = statement.where(tuple_(*key) > tuple_(*after))
    rows = await session.execute(statement.order_by(*key).limit(limit))
    return [Member(row.id, row.email, row.display_name, row.role, row.created_at) for row in rows]


async def members_among(session: Session, *, workspace_id: UUID, user_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these people belong to a workspace."""
    statement = select(membership.c.user_id).where(membership.c.workspace_id == workspace_id)
    return set((await session.execute(statement.where(membership.c.user_id == func.any(list(user_ids))))).scalars())


async def member_with_id(session: Session, *, workspace_id: UUID, user_id: UUID) -> Member | None:
    """One member."""
    statement = _MEMBERS.where(membership.c.workspace_id == workspace_id, membership.c.user_id == user_id)
    row = (await session.execute(statement)).first()
    return None if row is None else Member(row.id, row.email, row.display_name, row.role, row.created_at)


async def former_members_of(
    session: Session, *, workspace_id: UUID, at_most: int, after: tuple[datetime, UUID] | None = None
) -> list[FormerMember]:
    """Who belonged to a workspace and does no more, those first who left last; those after a key."""
    left = former_member
    is_back = exists().where(membership.c.workspace_id == workspace_id, membership.c.user_id == left.c.user_id)
    statement = select(left.c.user_id, user_account.c.display_name, left.c.left_at).join_from(left, user_account)
    statement = statement.where(left.c.workspace_id == workspace_id, ~is_back)
    key = (left.c.left_at, left.c.user_id)
    if after is not None:
        statement = statement.where(tuple_(*key) < tuple_(*after))
    rows = await session.execute(statement.order_by(*(each.desc() for each in key)).limit(at_most))
    return [FormerMember(row.user_id, row.display_name, row.left_at) for row in rows]


async def locked_roster(session: Session, *, workspace_id: UUID) -> Roster:
    """Everybody in the workspace; until the transaction ends, nobody else changes who that is.

    The lock is on the workspace's row, and leaves those alone who record expenses (they only hold its key).
    """
    lock = select(workspace.c.id).where(workspace.c.id == workspace_id).with_for_update(key_share=True)
    await session.execute(lock)
    return Roster(await roles_of(session, workspace_id=workspace_id))


async def roles_of(session: Session, *, workspace_id: UUID) -> dict[UUID, Role]:
    """The role of everybody who belongs to a workspace."""
    statement = select(membership.c.user_id, membership.c.role).where(membership.c.workspace_id == workspace_id)
    return {row.user_id: row.role for row in await session.execute(statement)}


async def store_role(session: Session, *, workspace_id: UUID, user_id: UUID, role: Role) -> None:
    """Give a member another role."""
    statement = update(membership).where(membership.c.workspace_id == workspace_id, membership.c.user_id == user_id)
    await session.execute(statement.values(role=role))


async def delete_membership(session: Session, *, workspace_id: UUID, user_id: UUID, now: datetime) -> None:
    """Let a member belong to the workspace no more, and remember that they did."""
    statement = delete(membership).where(membership.c.workspace_id == workspace_id, membership.c.user_id == user_id)
    await session.execute(statement)
    gone = insert(former_member).values(workspace_id=workspace_id, user_id=user_id, left_at=now)
    key = [former_member.c.workspace_id, former_member.c.user_id]
    await session.execute(gone.on_conflict_do_update(index_elements=key, set_={"left_at": now}))
