"""Who may do what in a ledger: everybody in the workspace reads, all but viewers write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.workspaces.service import membership_of, require_role

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.workspaces.model import Membership


async def check_reader(session: Session, *, actor: Actor, workspace_id: UUID) -> Membership:
    """How the actor belongs to the workspace. Raises `NotFound` for strangers, as if there were no such workspace."""
    return await membership_of(session, user_id=actor.user_id, workspace_id=workspace_id)


async def check_writer(session: Session, *, actor: Actor, workspace_id: UUID) -> Membership:
    """As `check_reader`. Raises `Forbidden` for whoever may only read."""
    membership = await membership_of(session, user_id=actor.user_id, workspace_id=workspace_id)
    require_role(membership, "owner", "admin", "member")
    return membership
