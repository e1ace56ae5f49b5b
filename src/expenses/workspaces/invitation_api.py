"""Invitations as JSON. A token stands in bodies and queries, never in a path: paths are logged, those are not.

Without `from __future__ import annotations`: FastAPI reads the annotations.
"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in, tag_of
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.openapi import operation_id, problems
from expenses.paging import Cursor, up_to
from expenses.workspaces import invitation_service as service
from expenses.workspaces.links import link_of
from expenses.workspaces.model import Invitation, Role
from expenses.workspaces.rights import Action, needs
from expenses.workspaces.wire import WorkspaceOut, membership_answer

router = APIRouter(prefix="/api/v1", tags=["invitations"], generate_unique_id_function=operation_id)

_OF_A_WORKSPACE = "/workspaces/{workspace_id}/invitations"
_LONGEST = service.LONGEST_LIFETIME.days


class InvitationIn(BaseModel):
    """An invitation to make."""

    model_config = ConfigDict(extra="forbid")

    role: Annotated[Role, Field(description="Not above your own, and never `owner`")] = "member"
    note: Annotated[str, Field(description="For whom, in your words; nothing is sent", examples=["Grandma"])] = ""
    expires_in_days: Annotated[int, Field(ge=1, le=_LONGEST)] = service.LIFETIME.days


class InvitationOut(BaseModel):
    """An invitation that can still be accepted."""

    id: UUID
    role: Role
    note: str
    created_by: UUID
    created_at: datetime
    expires_at: datetime


class NewInvitationOut(InvitationOut):
    """A new invitation; its token and its link can be read only here."""

    token: str
    link: Annotated[str, Field(description="The page on which it is accepted, for whoever you pass it on to")]


class InvitationList(BaseModel):
    """A page of the open invitations of a workspace, newest first."""

    items: list[InvitationOut]
    next: str | None = None


class PreviewOut(BaseModel):
    """What an invitation is to."""

    workspace_name: str
    role: Role
    invited_by: str
    expires_at: datetime


class Acceptance(BaseModel):
    """The invitation that one has."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(repr=False)]


@router.get(
    _OF_A_WORKSPACE,
    summary="List open invitations",
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.INVITE),
)
async def list_invitations(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    limit: Annotated[int, up_to(service.MOST_OPEN)] = service.MOST_OPEN,
    cursor: Cursor = None,
) -> InvitationList:
    page = await service.invitations_on_page(
        session, actor=actor, workspace_id=workspace_id, limit=limit, cursor=cursor, now=now
    )
    return InvitationList(items=[_out(each) for each in page.items], next=page.next)


@router.post(
    _OF_A_WORKSPACE,
    summary="Invite somebody by link",
    status_code=201,
    responses=problems(401, 403, 404, 409) | {201: ETAG},
    openapi_extra=needs(Action.INVITE),
)
async def invite(
    workspace_id: UUID,
    body: InvitationIn,
    actor: Caller,
    request: Request,
    response: Response,
    *,
    session: SessionDep,
    now: Now,
) -> NewInvitationOut:
    new = await service.invite(
        session,
        actor=actor,
        workspace_id=workspace_id,
        role=body.role,
        note=body.note,
        lifetime=timedelta(days=body.expires_in_days),
        now=now,
    )
    response.headers.update({"Cache-Control": "no-store", **tag_of(new.invitation.snapshot())})
    shown = _out(new.invitation).model_dump()
    return NewInvitationOut(**shown, token=new.token, link=link_of(request, new.token))


@router.get(
    _OF_A_WORKSPACE + "/{invitation_id}",
    summary="Show an open invitation",
    response_model=InvitationOut,
    responses=problems(401, 403, 404) | {200: ETAG},
    openapi_extra=needs(Action.INVITE),
)
async def get_invitation(
    workspace_id: UUID, invitation_id: UUID, actor: Caller, session: SessionDep, now: Now
) -> JSONAnswer:
    found = await service.get_invitation(
        session, actor=actor, workspace_id=workspace_id, invitation_id=invitation_id, now=now
    )
    return JSONAnswer(_out(found).model_dump(mode="json"), headers=tag_of(found.snapshot()))


@router.delete(
    _OF_A_WORKSPACE + "/{invitation_id}",
    summary="Revoke an invitation",
    status_code=204,
    responses=problems(401, 403, 404, 412),
    openapi_extra=needs(Action.INVITE),
)
async def revoke_invitation(
    workspace_id: UUID, invitation_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await service.revoke(
        session,
        actor=actor,
        workspace_id=workspace_id,
        invitation_id=invitation_id,
        expected=expected_in(if_match),
        now=now,
    )


@router.get("/invitations/preview", summary="What an invitation is to", responses=problems(404))
async def preview_invitation(
    token: Annotated[str, Query(description="The invitation's token")],
    response: Response,
    session: SessionDep,
    now: Now,
) -> PreviewOut:
    response.headers["Cache-Control"] = "no-store"
    return PreviewOut.model_validate(await service.preview(session, token=token, now=now), from_attributes=True)


@router.post(
    "/invitations/accept",
    summary="Accept an invitation",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 404, 409) | {200: ETAG},
)
async def accept_invitation(body: Acceptance, actor: Caller, session: SessionDep, now: Now) -> JSONAnswer:
    return membership_answer(await service.accept(session, actor=actor, token=body.token, now=now))


def _out(invitation: Invitation) -> InvitationOut:
    return InvitationOut.model_validate(invitation, from_attributes=True)
