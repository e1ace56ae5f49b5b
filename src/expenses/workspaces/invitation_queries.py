"""The questions about invitations, and what changes them. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.tables import user_account
from expenses.workspaces.model import Invitation, Preview
from expenses.workspaces.tables import invitation, membership, workspace

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session

_COLUMNS = (
    invitation.c.id,
    invitation.c.role,
    invitation.c.note,
    invitation.c.created_by,
    invitation.c.created_at,
    invitation.c.expires_at,
)

# Whoever made it must still be one who may: else a link would outlive the right of an admin who was sent away.
_OPEN_ONES = select(*_COLUMNS).join_from(
    invitation,
    membership,
    and_(
        membership.c.workspace_id == invitation.c.workspace_id,
        membership.c.user_id == invitation.c.created_by,
        membership.c.role.in_(("owner", "admin")),
    ),
)


def _is_open(workspace_id: UUID, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        invitation.c.workspace_id == workspace_id,
        invitation.c.accepted_at.is_(None),
        invitation.c.revoked_at.is_(None),
        invitation.c.expires_at > now,
    )


async def insert_invitation(session: Session, *, workspace_id: UUID, new: Invitation, token_hash: bytes) -> None:
    """Store a new invitation."""
    values = {
        "workspace_id": workspace_id,
        "id": new.id,
        "token_hash": token_hash,
        "role": new.role,
        "note": new.note,
        "created_by": new.created_by,
        "created_at": new.created_at,
        "expires_at": new.expires_at,
    }
    await session.execute(insert(invitation), values)


async def open_invitations_of(
    session: Session, *, workspace_id: UUID, at_most: int, before: UUID | None = None, now: datetime
) -> list[Invitation]:
    """Those that can still be accepted, newest first; of those older than `before`."""
    statement = _OPEN_ONES.where(*_is_open(workspace_id, now)).order_by(invitation.c.id.desc()).limit(at_most)
    if before is not None:
        statement = statement.where(invitation.c.id < before)
    return [Invitation(*row) for row in await session.execute(statement)]


async def open_invitation_with_id(
    session: Session, *, workspace_id: UUID, invitation_id: UUID, now: datetime
) -> Invitation | None:
    """One that can still be accepted."""
    statement = _OPEN_ONES.where(*_is_open(workspace_id, now), invitation.c.id == invitation_id)
    row = (await session.execute(statement)).first()
    return None if row is None else Invitation(*row)


async def open_invitation(
    session: Session, *, workspace_id: UUID, token_hash: bytes, now: datetime
) -> Invitation | None:
    """The invitation with this token if it can still be accepted.

    Whoever has the token sees what is in the workspace from now on: the session works in it.
    """
    await session.execute(select(func.enter_by_invitation(workspace_id, token_hash)))
    statement = _OPEN_ONES.where(*_is_open(workspace_id, now), invitation.c.token_hash == token_hash)
    row = (await session.execute(statement)).first()
    return None if row is None else Invitation(*row)


async def preview_of(session: Session, *, workspace_id: UUID, found: Invitation) -> Preview:
    """What its link's holder is told of an invitation."""
    statement = select(workspace.c.name, user_account.c.display_name)
    statement = statement.join_from(membership, workspace).join(user_account, user_account.c.id == membership.c.user_id)
    statement = statement.where(membership.c.workspace_id == workspace_id, membership.c.user_id == found.created_by)
    row = (await session.execute(statement)).one()
    return Preview(row.name, found.role, row.display_name, found.expires_at)


async def count_open(session: Session, *, workspace_id: UUID, now: datetime) -> int:
    """How many have not been used, revoked or expired."""
    statement = select(func.count()).select_from(invitation).where(*_is_open(workspace_id, now))
    return int((await session.execute(statement)).scalar_one())


async def mark_accepted(session: Session, *, workspace_id: UUID, invitation_id: UUID, by: UUID, now: datetime) -> None:
    """Let nobody use it again."""
    statement = update(invitation).where(invitation.c.workspace_id == workspace_id, invitation.c.id == invitation_id)
    await session.execute(statement.values(accepted_at=now, accepted_by=by))


async def mark_revoked(
    session: Session, *, workspace_id: UUID, invitation_id: UUID, now: datetime
) -> Invitation | None:
    """Let nobody use it any more; nothing when there is no such open one."""
    statement = update(invitation).where(*_is_open(workspace_id, now), invitation.c.id == invitation_id)
    row = (await session.execute(statement.values(revoked_at=now).returning(*_COLUMNS))).first()
    return None if row is None else Invitation(*row)


async def forget_old(session: Session, *, workspace_id: UUID, before: datetime) -> None:
    """Delete what expired, or was used or revoked, before then: the record of changes keeps that it was."""
    is_done = or_(invitation.c.expires_at < before, invitation.c.accepted_at < before, invitation.c.revoked_at < before)
    await session.execute(delete(invitation).where(invitation.c.workspace_id == workspace_id, is_done))
