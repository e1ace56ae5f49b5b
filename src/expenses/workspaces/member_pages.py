"""The page of a workspace's members: who they are, their roles, and the links that let new people in.

A new link is shown on the very answer to the form that asked for it: it is kept nowhere, so a redirect would lose it.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import Actor
from expenses.db import Session
from expenses.errors import Conflict, Invalid, PreconditionFailed, ServiceError
from expenses.http import Now, SessionDep
from expenses.web import flash
from expenses.web.forms import version_in
from expenses.web.overtaken import STATUS, Overtaken
from expenses.web.page import page, see_other
from expenses.workspaces import invitation_service as invitations
from expenses.workspaces import member_service as members
from expenses.workspaces.links import link_of
from expenses.workspaces.model import ROLES, Member, Role, role_named
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

_DONE = {
    "joined": "Welcome. This is everybody here.",
    "rolechanged": "Role changed.",
    "removed": "Removed.",
    "handedover": "Handed over. You are an admin from now on.",
    "revoked": "Invitation revoked.",
}

_UNREVOKED = Overtaken(
    "Not revoked: this invitation", "The list below has it as it is now. Revoke it if you still want to."
)
_THEY_ARE = "As they are now:"
_UNCHANGED = Overtaken("Not saved: this member", "Save again to give them the role that you chose.", _THEY_ARE)
_UNREMOVED = Overtaken("Not removed: this member", "Remove them again, below, if you still want to.", _THEY_ARE)
_UNGIVEN = Overtaken(
    "Not handed over: this member", "Hand the workspace over again, below, if you still want to.", _THEY_ARE
)


@router.get("/members", openapi_extra=needs(Action.SEE_MEMBERS))
async def members_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID
) -> Response:
    return await _list(request, session, actor, workspace_id, now=now)


@router.post("/invitations", openapi_extra=needs(Action.INVITE))
async def invite(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields, *, workspace_id: UUID
) -> Response:
    try:
        new = await invitations.invite(
            session,
            actor=actor,
            workspace_id=workspace_id,
            role=role_named(fields.get("role", "")),
            note=fields.get("note", ""),
            now=now,
        )
    except (Invalid, Conflict) as error:
        return await _list(request, session, actor, workspace_id, form=fields, error=error, now=now)
    return await _list(request, session, actor, workspace_id, link=link_of(request, new.token), now=now)


@router.post("/invitations/{invitation_id:uuid}/revoke", openapi_extra=needs(Action.INVITE))
async def revoke(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    invitation_id: UUID,
) -> Response:
    key = {"workspace_id": workspace_id, "invitation_id": invitation_id}
    try:
        await invitations.revoke(session, actor=actor, **key, expected=version_in(fields), now=now)
    except PreconditionFailed:
        return await _list(request, session, actor, workspace_id, overtaken=_UNREVOKED, now=now)
    return _back(request, workspace_id, "revoked")


@router.post("/leave", openapi_extra=needs(Action.LEAVE))
async def leave(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, _: Fields, *, workspace_id: UUID
) -> Response:
    try:
        await members.leave(session, actor=actor, workspace_id=workspace_id, now=now)
    except Conflict as error:
        return await _list(request, session, actor, workspace_id, error=error, now=now)
    return see_other("/workspaces")


@router.get("/members/{user_id:uuid}", openapi_extra=needs(Action.CHANGE_ROLES))
async def member_page(
    request: Request, session: SessionDep, actor: SignedIn, workspace_id: UUID, user_id: UUID
) -> Response:
    return await _one(request, session, actor, workspace_id, user_id)


@router.post("/members/{user_id:uuid}/role", openapi_extra=needs(Action.CHANGE_ROLES))
async def change_role(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    user_id: UUID,
) -> Response:
    key: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id, "user_id": user_id}
    try:
        role = role_named(fields.get("role", ""))
        await members.change_role(session, **key, role=role, expected=version_in(fields), now=now)
    except PreconditionFailed:
        return await _one(request, session, actor, workspace_id, user_id, overtaken=_UNCHANGED, chosen=fields["role"])
    except (Invalid, Conflict) as error:
        return await _one(request, session, actor, workspace_id, user_id, error=error)
    return _back(request, workspace_id, "rolechanged")


@router.post("/members/{user_id:uuid}/remove", openapi_extra=needs(Action.REMOVE_MEMBERS))
async def remove(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    user_id: UUID,
) -> Response:
    key: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id, "user_id": user_id}
    try:
        await members.remove_member(session, **key, expected=version_in(fields), now=now)
    except PreconditionFailed:
        return await _one(request, session, actor, workspace_id, user_id, overtaken=_UNREMOVED)
    except Conflict as error:
        return await _one(request, session, actor, workspace_id, user_id, error=error)
    return _back(request, workspace_id, "removed")


@router.post("/members/{user_id:uuid}/hand-over", openapi_extra=needs(Action.HAND_OVER))
async def hand_over(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    user_id: UUID,
) -> Response:
    key: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id, "user_id": user_id}
    try:
        await members.hand_over(session, **key, expected=version_in(fields), now=now)
    except PreconditionFailed:
        return await _one(request, session, actor, workspace_id, user_id, overtaken=_UNGIVEN)
    return _back(request, workspace_id, "handedover")


async def _list(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    *,
    form: dict[str, str] | None = None,
    error: ServiceError | None = None,
    overtaken: Overtaken | None = None,
    link: str | None = None,
    now: datetime,
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_MEMBERS)
    mine = membership.role
    open_ones = (
        await invitations.list_invitations(session, actor=actor, workspace_id=workspace_id, now=now)
        if Action.INVITE.allows(mine)
        else []
    )
    done = flash.recall(request)
    response = page(
        request,
        "workspaces/members.html",
        status=STATUS if overtaken else error.status if error else 200,
        actor=actor,
        membership=membership,
        today=now.date(),
        members=[
            (each, _may_touch(mine, each, actor))
            for each in await members.list_members(session, actor=actor, workspace_id=workspace_id)
        ],
        former=await members.list_former_members(session, actor=actor, workspace_id=workspace_id),
        may_invite=Action.INVITE.allows(mine),
        invitations=open_ones,
        roles=[role for role in _gifts(mine) if role != "owner"],
        days=invitations.LIFETIME.days,
        form={"role": "member", "note": ""} | (form or {}),
        link=link,
        overtaken=overtaken,
        notice=_DONE.get(done.action) if done else None,
        **_errors(error),
    )
    flash.forget(request, response, path=f"/w/{workspace_id}")
    return response


async def _one(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    user_id: UUID,
    *,
    error: ServiceError | None = None,
    overtaken: Overtaken | None = None,
    chosen: str | None = None,
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_ROLES)
    member = await members.get_member(session, actor=actor, workspace_id=workspace_id, user_id=user_id)
    return page(
        request,
        "workspaces/member.html",
        status=STATUS if overtaken else error.status if error else 200,
        actor=actor,
        membership=membership,
        member=member,
        chosen=chosen or member.role,
        overtaken=replace(overtaken, now=(("Role", member.role.capitalize()),)) if overtaken else None,
        roles=_gifts(membership.role),
        may_hand_over=Action.HAND_OVER.allows(membership.role) and member.user_id != actor.user_id,
        **_errors(error),
    )


def _errors(error: ServiceError | None) -> dict[str, Any]:
    return {"errors": {error.field or "form": error.detail} if error else {}}


def _gifts(mine: Role) -> tuple[Role, ...]:
    """The roles that somebody with this one may give; the service decides for itself."""
    return ROLES[ROLES.index(mine) :]


def _may_touch(mine: Role, other: Member, actor: Actor) -> bool:
    """Whether the list leads on to this member's own page."""
    is_below = mine == "owner" or ROLES.index(other.role) > ROLES.index(mine)
    return Action.CHANGE_ROLES.allows(mine) and is_below and other.user_id != actor.user_id


def _back(request: Request, workspace_id: UUID, action: str) -> Response:
    response = see_other(f"/w/{workspace_id}/members")
    flash.remember(request, response, path=f"/w/{workspace_id}", done=flash.Done(action, workspace_id))
    return response
