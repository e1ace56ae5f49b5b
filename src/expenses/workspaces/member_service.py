"""Members: who they are, their roles, leaving, removing, handing over. Joining is `invitation_service`.

Everything that changes who belongs to a workspace waits for its lock and judges by what it finds behind it, so two
owners who leave at once cannot both be the last but one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.audit.model import event_about
from expenses.audit.queries import insert_audit_events
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import Forbidden, Invalid, NotFound
from expenses.versions import check_version
from expenses.workspaces import member_queries as queries
from expenses.workspaces.model import MOST_MEMBERS, FormerMember, Member
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from expenses.accounts.model import Actor
    from expenses.audit.model import Action as Deed
    from expenses.db import Session
    from expenses.workspaces.model import Role
    from expenses.workspaces.roster import Roster


async def list_members(session: Session, *, actor: Actor, workspace_id: UUID) -> list[Member]:
    """Everybody in one of the actor's workspaces, in the order in which they joined.

    Raises:
        NotFound: The actor does not belong to it, or there is no such workspace.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_MEMBERS)
    return await queries.members_of(session, workspace_id=workspace_id)


async def list_former_members(session: Session, *, actor: Actor, workspace_id: UUID) -> list[FormerMember]:
    """Those who left, so that what they paid still has a name; who left last comes first. As many as can be members.

    Raises:
        NotFound: The actor does not belong to the workspace.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_MEMBERS)
    return await queries.former_members_of(session, workspace_id=workspace_id, at_most=MOST_MEMBERS)


async def members_on_page(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int, cursor: str | None = None
) -> Page[Member]:
    """A page of `list_members`; raises what that raises, and `InvalidCursor`."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_MEMBERS)
    listing: Listing[Member] = Listing(
        f"members {workspace_id}", (datetime, UUID), lambda each: (each.joined_at, each.user_id)
    )
    after = listing.key_in(cursor)
    found = await queries.members_of(session, workspace_id=workspace_id, after=after, limit=limit + 1)
    return listing.page(found, limit=limit)


async def former_members_on_page(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int, cursor: str | None = None
) -> Page[FormerMember]:
    """A page of all who left, who left last first.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_MEMBERS)
    listing: Listing[FormerMember] = Listing(
        f"former members {workspace_id}", (datetime, UUID), lambda each: (each.left_at, each.user_id)
    )
    after = listing.key_in(cursor)
    found = await queries.former_members_of(session, workspace_id=workspace_id, at_most=limit + 1, after=after)
    return listing.page(found, limit=limit)


async def names_of_people(session: Session, *, actor: Actor, workspace_id: UUID) -> dict[UUID, str]:
    """The names of everybody who belongs to a workspace, in the order in which they joined, then of those who left.

    Raises:
        NotFound: The actor does not belong to it.
    """
    here = await list_members(session, actor=actor, workspace_id=workspace_id)
    gone = await queries.former_members_of(session, workspace_id=workspace_id, at_most=MOST_MEMBERS)
    return {each.user_id: each.display_name for each in here} | {each.user_id: each.display_name for each in gone}


async def get_member(session: Session, *, actor: Actor, workspace_id: UUID, user_id: UUID) -> Member:
    """One member. Raises `NotFound` when the actor or they do not belong to the workspace."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_MEMBERS)
    return await _member(session, workspace_id, user_id)


async def change_role(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    user_id: UUID,
    role: Role,
    expected: str | None = None,
    now: datetime,
) -> Member:
    """The member with the role from now on.

    Raises:
        NotFound: The actor or the member does not belong to the workspace.
        Forbidden: The actor may not, the role is above the actor's own, or the member is not below the actor.
        PreconditionFailed: The member has another version than the expected one.
        LastOwner: It is the last owner's.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_ROLES)
    async with transaction(session):
        roster = await _roster(session, actor, workspace_id, Action.CHANGE_ROLES)
        check_version(expected, (await _member(session, workspace_id, user_id)).snapshot())
        roster.check_power(user_id, by=actor.user_id)
        roster.check_gift(role, by=actor.user_id)
        if role != "owner":
            roster.check_owner_without(user_id)
        if role != roster.role_of(user_id):
            await queries.store_role(session, workspace_id=workspace_id, user_id=user_id, role=role)
            await _record(session, "change", roster, user_id, role, actor=actor, workspace_id=workspace_id, now=now)
        return await _member(session, workspace_id, user_id)


async def remove_member(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    user_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> None:
    """Let a member belong to the workspace no more, at once; what they recorded and paid stays, with their name.

    Raises:
        NotFound: The actor or the member does not belong to the workspace.
        Forbidden: The actor may not, or the member is not below the actor.
        PreconditionFailed: The member has another version than the expected one.
        LastOwner: It is the last owner.
    """
    await _take_out(
        session,
        Action.REMOVE_MEMBERS,
        user_id,
        actor=actor,
        workspace_id=workspace_id,
        expected=expected,
        now=now,
    )


async def leave(session: Session, *, actor: Actor, workspace_id: UUID, now: datetime) -> None:
    """Belong to the workspace no more.

    Raises:
        NotFound: The actor does not belong to it.
        LastOwner: The actor is its last owner.
    """
    await _take_out(session, Action.LEAVE, actor.user_id, actor=actor, workspace_id=workspace_id, now=now)


async def hand_over(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    user_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> Member:
    """Make a member an owner in the actor's place, who becomes an admin; both at once. Answers the new owner.

    Raises:
        NotFound: The actor or the member does not belong to the workspace.
        Forbidden: The actor is no owner.
        PreconditionFailed: The member has another version than the expected one.
        Invalid: The actor cannot take over from the actor.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.HAND_OVER)
    if user_id == actor.user_id:
        raise Invalid("It is yours already; name another member.", field="user_id")
    async with transaction(session):
        roster = await _roster(session, actor, workspace_id, Action.HAND_OVER)
        check_version(expected, (await _member(session, workspace_id, user_id)).snapshot())
        new_roles: list[tuple[UUID, Role]] = [(user_id, "owner"), (actor.user_id, "admin")]
        for who, role in new_roles:
            if role != roster.role_of(who):
                await queries.store_role(session, workspace_id=workspace_id, user_id=who, role=role)
                await _record(session, "hand_over", roster, who, role, actor=actor, workspace_id=workspace_id, now=now)
        return await _member(session, workspace_id, user_id)


async def _take_out(
    session: Session,
    action: Action,
    user_id: UUID,
    *,
    actor: Actor,
    workspace_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> None:
    await authorize(session, actor=actor, workspace_id=workspace_id, action=action)
    async with transaction(session):
        roster = await _roster(session, actor, workspace_id, action)
        check_version(expected, (await _member(session, workspace_id, user_id)).snapshot())
        roster.check_power(user_id, by=actor.user_id)
        roster.check_owner_without(user_id)
        deed: Deed = "leave" if user_id == actor.user_id else "remove"
        await queries.delete_membership(session, workspace_id=workspace_id, user_id=user_id, now=now)
        await _record(session, deed, roster, user_id, None, actor=actor, workspace_id=workspace_id, now=now)


async def _roster(session: Session, actor: Actor, workspace_id: UUID, action: Action) -> Roster:
    """The members under the lock, if the actor's right has not been taken away while waiting for it."""
    roster = await queries.locked_roster(session, workspace_id=workspace_id)
    if not action.allows(roster.role_of(actor.user_id)):
        raise Forbidden
    return roster


async def _member(session: Session, workspace_id: UUID, user_id: UUID) -> Member:
    found = await queries.member_with_id(session, workspace_id=workspace_id, user_id=user_id)
    if found is None:
        raise NotFound
    return found


async def _record(
    session: Session,
    deed: Deed,
    roster: Roster,
    user_id: UUID,
    role: Role | None,
    *,
    actor: Actor,
    workspace_id: UUID,
    now: datetime,
) -> None:
    before, after = roster.role_of(user_id), role
    event = event_about(
        "member",
        user_id,
        deed,
        before={"user_id": str(user_id), "role": before},
        after={"user_id": str(user_id), "role": after} if after else None,
        actor_id=actor.user_id,
        now=now,
    )
    await insert_audit_events(session, workspace_id=workspace_id, new=[event])
