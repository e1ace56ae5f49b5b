"""Registration, who I am, and workspaces. Members and invitations have modules of their own."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller, client_address, require_open_registration
from expenses.accounts.model import NAME_MAX_LENGTH, PASSWORD_MAX_BYTES, PASSWORD_MIN_LENGTH
from expenses.etags import ETAG, IfMatch, expected_in
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.idempotency.api import idempotent
from expenses.openapi import operation_id, problems
from expenses.paging import Cursor, up_to
from expenses.workspaces import invitation_service as invitations
from expenses.workspaces import service
from expenses.workspaces.model import MOST_WORKSPACES, Kind, WorkspaceChange
from expenses.workspaces.rights import Action, needs
from expenses.workspaces.wire import WorkspaceOut, membership_answer, membership_out

router = APIRouter(prefix="/api/v1", tags=["workspaces"], generate_unique_id_function=operation_id)


class Registration(BaseModel):
    """What somebody says to get an account."""

    email: Annotated[str, Field(examples=["anna@example.org"])]
    password: Annotated[
        str,
        Field(description=f"At least {PASSWORD_MIN_LENGTH} characters, at most {PASSWORD_MAX_BYTES} bytes", repr=False),
    ]
    display_name: Annotated[str | None, Field(description=f"At most {NAME_MAX_LENGTH} characters")] = None
    invitation: Annotated[
        str | None,
        Field(
            description="The token of an invitation: the account is made in that workspace and gets none of its own, "
            "also where registration is closed",
            repr=False,
        ),
    ] = None


class UserOut(BaseModel):
    """An account."""

    id: UUID
    email: str
    display_name: str


class Registered(BaseModel):
    """A new account and the workspace that it begins in."""

    user: UserOut
    workspace: WorkspaceOut


class Me(UserOut):
    """Who makes this request, and what they belong to."""

    workspaces: list[WorkspaceOut]


class WorkspaceList(BaseModel):
    """A page of the workspaces that you belong to, oldest first."""

    items: list[WorkspaceOut]
    next: str | None = None


class WorkspaceDraft(BaseModel):
    """A workspace to make."""

    name: str
    kind: Kind = "household"
    base_currency: Annotated[str, Field(description="ISO 4217 code")] = "EUR"
    time_zone: Annotated[str, Field(description="Name in the IANA database", examples=["Europe/Berlin"])] = "UTC"


class WorkspacePatch(BaseModel):
    """What is to be different about a workspace; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    kind: Kind | None = None
    base_currency: Annotated[
        str | None, Field(description="ISO 4217 code; it stays once there are expenses", examples=["EUR"])
    ] = None
    time_zone: Annotated[str | None, Field(examples=["Europe/Berlin"])] = None


@router.post(
    "/auth/register",
    summary="Make an account with a workspace, or in the one it is invited to",
    status_code=201,
    responses=problems(403, 404, 409, 429, 503),
)
async def register(draft: Registration, request: Request, session: SessionDep, now: Now) -> Registered:
    address = client_address(request)
    if draft.invitation is not None:
        user, membership = await invitations.sign_up_invited(
            session,
            token=draft.invitation,
            email=draft.email,
            password=draft.password,
            display_name=draft.display_name,
            client_address=address,
            now=now,
        )
    else:
        require_open_registration(request)
        user, membership = await service.sign_up(
            session,
            email=draft.email,
            password=draft.password,
            display_name=draft.display_name,
            client_address=address,
            now=now,
        )
    return Registered(user=UserOut.model_validate(user, from_attributes=True), workspace=membership_out(membership))


@router.get("/me", summary="Who you are", responses=problems(401, 403))
async def get_me(actor: Caller, session: SessionDep) -> Me:
    memberships = await service.list_memberships(session, actor=actor)
    return Me(
        id=actor.user_id,
        email=actor.email,
        display_name=actor.display_name,
        workspaces=[membership_out(membership) for membership in memberships],
    )


@router.get("/workspaces", summary="List your workspaces", responses=problems(401, 403))
async def list_workspaces(
    actor: Caller,
    session: SessionDep,
    *,
    limit: Annotated[int, up_to(MOST_WORKSPACES)] = MOST_WORKSPACES,
    cursor: Cursor = None,
) -> WorkspaceList:
    page = await service.memberships_on_page(session, actor=actor, limit=limit, cursor=cursor)
    return WorkspaceList(items=[membership_out(membership) for membership in page.items], next=page.next)


@router.post(
    "/workspaces",
    summary="Make a workspace",
    status_code=201,
    response_model=WorkspaceOut,
    responses=problems(401, 403, 409) | {201: ETAG},
)
@idempotent
async def create_workspace(draft: WorkspaceDraft, actor: Caller, session: SessionDep, now: Now) -> JSONAnswer:
    membership = await service.create_workspace(session, actor=actor, now=now, **dict(draft))
    answer = membership_answer(membership, status=201)
    answer.headers["Location"] = f"/api/v1/workspaces/{membership.workspace.id}"
    return answer


@router.get(
    "/workspaces/{workspace_id}",
    summary="Show a workspace",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 404) | {200: ETAG},
    openapi_extra=needs(Action.SEE_WORKSPACE),
)
async def get_workspace(workspace_id: UUID, actor: Caller, session: SessionDep) -> JSONAnswer:
    return membership_answer(await service.get_workspace(session, actor=actor, workspace_id=workspace_id))


@router.patch(
    "/workspaces/{workspace_id}",
    summary="Change a workspace",
    response_model=WorkspaceOut,
    responses=problems(401, 403, 404, 409, 412) | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_WORKSPACE),
)
async def change_workspace(
    workspace_id: UUID,
    body: WorkspacePatch,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    if_match: IfMatch = None,
) -> JSONAnswer:
    changed = await service.change_workspace(
        session,
        actor=actor,
        workspace_id=workspace_id,
        change=WorkspaceChange(**dict(body)),
        expected=expected_in(if_match),
        now=now,
    )
    return membership_answer(changed)
