"""Members of a workspace as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in, tag_of
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.openapi import operation_id, problems
from expenses.paging import Cursor, up_to
from expenses.workspaces import member_service as service
from expenses.workspaces.model import MOST_MEMBERS, Member, Role
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}", tags=["members"], generate_unique_id_function=operation_id
)

_READ = problems(401, 403, 404)
_WRITE = problems(401, 403, 404, 409, 412)


Limit = Annotated[int, up_to(MOST_MEMBERS)]


class MemberOut(BaseModel):
    """One person of a workspace."""

    user_id: UUID
    email: str
    display_name: str
    role: Role
    joined_at: datetime


class MemberList(BaseModel):
    """A page of who is in a workspace, in the order in which they joined."""

    items: list[MemberOut]
    next: str | None = None


class FormerMemberOut(BaseModel):
    """Somebody who has left: the name behind what they paid."""

    user_id: UUID
    display_name: str
    left_at: datetime


class FormerMemberList(BaseModel):
    """A page of those who have left, the last one first."""

    items: list[FormerMemberOut]
    next: str | None = None


class MemberPatch(BaseModel):
    """What is to be different about a member."""

    model_config = ConfigDict(extra="forbid")

    role: Role


@router.get("/members", summary="List members", responses=_READ, openapi_extra=needs(Action.SEE_MEMBERS))
async def list_members(
    workspace_id: UUID, actor: Caller, session: SessionDep, *, limit: Limit = MOST_MEMBERS, cursor: Cursor = None
) -> MemberList:
    page = await service.members_on_page(session, actor=actor, workspace_id=workspace_id, limit=limit, cursor=cursor)
    return MemberList(items=[_out(member) for member in page.items], next=page.next)


@router.get(
    "/former-members",
    summary="List those who have left",
    responses=_READ,
    openapi_extra=needs(Action.SEE_MEMBERS),
)
async def list_former_members(
    workspace_id: UUID, actor: Caller, session: SessionDep, *, limit: Limit = MOST_MEMBERS, cursor: Cursor = None
) -> FormerMemberList:
    page = await service.former_members_on_page(
        session, actor=actor, workspace_id=workspace_id, limit=limit, cursor=cursor
    )
    items = [FormerMemberOut.model_validate(each, from_attributes=True) for each in page.items]
    return FormerMemberList(items=items, next=page.next)


@router.get(
    "/members/{user_id}",
    summary="Show a member",
    response_model=MemberOut,
    responses=_READ | {200: ETAG},
    openapi_extra=needs(Action.SEE_MEMBERS),
)
async def get_member(workspace_id: UUID, user_id: UUID, actor: Caller, session: SessionDep) -> JSONAnswer:
    return _answer(await service.get_member(session, actor=actor, workspace_id=workspace_id, user_id=user_id))


@router.patch(
    "/members/{user_id}",
    summary="Give a member another role",
    response_model=MemberOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_ROLES),
)
async def change_role(
    workspace_id: UUID,
    user_id: UUID,
    body: MemberPatch,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    if_match: IfMatch = None,
) -> JSONAnswer:
    changed = await service.change_role(
        session,
        actor=actor,
        workspace_id=workspace_id,
        user_id=user_id,
        role=body.role,
        expected=expected_in(if_match),
        now=now,
    )
    return _answer(changed)


@router.delete(
    "/members/{user_id}",
    summary="Remove a member",
    status_code=204,
    responses=_WRITE,
    openapi_extra=needs(Action.REMOVE_MEMBERS),
)
async def remove_member(
    workspace_id: UUID, user_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await service.remove_member(
        session, actor=actor, workspace_id=workspace_id, user_id=user_id, expected=expected_in(if_match), now=now
    )


@router.post(
    "/members/{user_id}/hand-over",
    summary="Make a member the owner in your place",
    response_model=MemberOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.HAND_OVER),
)
async def hand_over_workspace(
    workspace_id: UUID, user_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> JSONAnswer:
    owner = await service.hand_over(
        session, actor=actor, workspace_id=workspace_id, user_id=user_id, expected=expected_in(if_match), now=now
    )
    return _answer(owner)


@router.post(
    "/leave",
    summary="Leave a workspace",
    status_code=204,
    responses=problems(401, 403, 404, 409),
    openapi_extra=needs(Action.LEAVE),
)
async def leave_workspace(workspace_id: UUID, actor: Caller, session: SessionDep, now: Now) -> None:
    await service.leave(session, actor=actor, workspace_id=workspace_id, now=now)


def _answer(member: Member) -> JSONAnswer:
    return JSONAnswer(_out(member).model_dump(mode="json"), headers=tag_of(member.snapshot()))


def _out(member: Member) -> MemberOut:
    return MemberOut.model_validate(member, from_attributes=True)
