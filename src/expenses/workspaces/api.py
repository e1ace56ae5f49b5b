"""Registration, who I am, and workspaces with their members."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from expenses.accounts.auth import Caller, client_address, require_open_registration
from expenses.accounts.model import NAME_MAX_LENGTH, PASSWORD_MAX_BYTES, PASSWORD_MIN_LENGTH
from expenses.http import Now, SessionDep
from expenses.idempotency.api import idempotent
from expenses.openapi import problems
from expenses.workspaces import service
from expenses.workspaces.model import Kind, Membership, Role, Workspace
from expenses.workspaces.rights import Action, needs

router = APIRouter(prefix="/api/v1", tags=["workspaces"])


class Registration(BaseModel):
    """What somebody says to get an account."""

    email: Annotated[str, Field(examples=["anna@example.org"])]
    password: Annotated[
        str,
        Field(description=f"At least {PASSWORD_MIN_LENGTH} characters, at most {PASSWORD_MAX_BYTES} bytes", repr=False),
    ]
    display_name: Annotated[str | None, Field(description=f"At most {NAME_MAX_LENGTH} characters")] = None


class UserOut(BaseModel):
    """An account."""

    id: UUID
    email: str
    display_name: str


class WorkspaceOut(BaseModel):
    """A workspace, and what you are in it."""

    id: UUID
    name: str
    kind: Kind
    role: Role
    base_currency: str
    time_zone: str
    created_at: datetime


class Registered(BaseModel):
    """A new account and its first workspace."""

    user: UserOut
    workspace: WorkspaceOut


class Me(UserOut):
    """Who makes this request, and what they belong to."""

    workspaces: list[WorkspaceOut]


class WorkspaceList(BaseModel):
    """All workspaces that you belong to."""

    items: list[WorkspaceOut]
    next: str | None = None


class WorkspaceDraft(BaseModel):
    """A workspace to make."""

    name: str
    kind: Kind = "household"
    base_currency: Annotated[str, Field(description="ISO 4217 code")] = "EUR"
    time_zone: Annotated[str, Field(description="Name in the IANA database", examples=["Europe/Berlin"])] = "UTC"


class MemberOut(BaseModel):
    """One person of a workspace."""

    user_id: UUID
    email: str
    display_name: str
    role: Role
    joined_at: datetime


class MemberList(BaseModel):
    """Everybody in a workspace."""

    items: list[MemberOut]
    next: str | None = None


@router.post(
    "/auth/register",
    summary="Make an account with a workspace",
    status_code=201,
    dependencies=[Depends(require_open_registration)],
    responses=problems(403, 409, 429, 503),
)
async def register(draft: Registration, request: Request, session: SessionDep, now: Now) -> Registered:
    user, workspace = await service.sign_up(
        session,
        email=draft.email,
        password=draft.password,
        display_name=draft.display_name,
        client_address=client_address(request),
        now=now,
    )
    return Registered(
        user=UserOut.model_validate(user, from_attributes=True), workspace=_workspace_out(workspace, "owner")
    )


@router.get("/me", summary="Who you are", responses=problems(401, 403))
async def me(actor: Caller, session: SessionDep) -> Me:
    memberships = await service.list_memberships(session, actor=actor)
    return Me(
        id=actor.user_id,
        email=actor.email,
        display_name=actor.display_name,
        workspaces=[_membership_out(membership) for membership in memberships],
    )


@router.get("/workspaces", summary="List your workspaces", responses=problems(401, 403))
async def list_workspaces(actor: Caller, session: SessionDep) -> WorkspaceList:
    memberships = await service.list_memberships(session, actor=actor)
    return WorkspaceList(items=[_membership_out(membership) for membership in memberships])


@router.post("/workspaces", summary="Make a workspace", status_code=201, responses=problems(401, 403, 409))
@idempotent
async def create_workspace(draft: WorkspaceDraft, actor: Caller, session: SessionDep, now: Now) -> WorkspaceOut:
    membership = await service.create_workspace(session, actor=actor, now=now, **dict(draft))
    return _membership_out(membership)


@router.get(
    "/workspaces/{workspace_id}/members",
    summary="List members",
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_MEMBERS),
)
async def list_members(workspace_id: UUID, actor: Caller, session: SessionDep) -> MemberList:
    members = await service.list_members(session, actor=actor, workspace_id=workspace_id)
    return MemberList(items=[MemberOut.model_validate(member, from_attributes=True) for member in members])


def _membership_out(membership: Membership) -> WorkspaceOut:
    return _workspace_out(membership.workspace, membership.role)


def _workspace_out(workspace: Workspace, role: Role) -> WorkspaceOut:
    return WorkspaceOut(
        id=workspace.id,
        name=workspace.name,
        kind=workspace.kind,
        role=role,
        base_currency=workspace.base_currency,
        time_zone=workspace.time_zone,
        created_at=workspace.created_at,
    )
