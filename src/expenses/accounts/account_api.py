"""What somebody who is signed in sees and does about the own account: tokens, sessions, what happened."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from expenses.accounts import token_service
from expenses.accounts.auth import Administrator, Caller
from expenses.accounts.model import NAME_MAX_LENGTH, Actor, EventKind, OpenSession, Scope
from expenses.accounts.token_service import LARGEST_PAGE_SIZE, LIFETIME_MAX_DAYS, PAGE_SIZE
from expenses.http import Now, SessionDep
from expenses.openapi import operation_id, problems
from expenses.paging import Cursor, up_to

router = APIRouter(prefix="/api/v1/me", tags=["accounts"], generate_unique_id_function=operation_id)

Limit = Annotated[int, up_to(LARGEST_PAGE_SIZE, otherwise=PAGE_SIZE)]


class TokenDraft(BaseModel):
    """An API token to make."""

    name: Annotated[str, Field(description=f"At most {NAME_MAX_LENGTH} characters", examples=["Backup script"])]
    scopes: Annotated[
        list[Scope],
        Field(
            min_length=1,
            max_length=3,
            description="With a token: not more than it has itself, and never `admin`",
        ),
    ] = ["read", "write"]
    expires_in_days: Annotated[
        int | None,
        Field(description=f"1 to {LIFETIME_MAX_DAYS}; 30 if left out, or what the token of this request has left"),
    ] = None


class TokenOut(BaseModel):
    """An API token as its owner sees it later."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class MadeToken(TokenOut):
    """A new API token; the token itself can be read only here."""

    access_token: Annotated[str, Field(repr=False)]


class TokenList(BaseModel):
    """A page of one person's valid tokens, newest first."""

    items: list[TokenOut]
    next: str | None = None


class SessionOut(BaseModel):
    """A browser that is signed in."""

    id: UUID
    device: Annotated[str, Field(examples=["Firefox on Android"])]
    created_at: datetime
    last_seen_at: Annotated[datetime, Field(description="To about ten minutes")]
    expires_at: datetime
    is_current: Annotated[bool, Field(description="Whether this request came by it")]


class SessionList(BaseModel):
    """A page of one person's open page sessions, newest first."""

    items: list[SessionOut]
    next: str | None = None


class EventOut(BaseModel):
    """One thing that happened to the account."""

    id: UUID
    kind: EventKind
    detail: Annotated[str | None, Field(description="Name of the token, or the device")]
    happened_at: datetime


class EventList(BaseModel):
    """A page of what happened to one account, newest first."""

    items: list[EventOut]
    next: str | None = None


@router.get("/tokens", summary="List your API tokens", responses=problems(401, 403))
async def list_tokens(
    actor: Caller, session: SessionDep, *, now: Now, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> TokenList:
    page = await token_service.list_tokens(session, actor=actor, now=now, limit=limit, cursor=cursor)
    items = [TokenOut.model_validate(token, from_attributes=True) for token in page.items]
    return TokenList(items=items, next=page.next)


@router.post("/tokens", summary="Make an API token", status_code=201, responses=problems(401, 403, 409))
async def create_token(
    draft: TokenDraft, actor: Administrator, response: Response, session: SessionDep, now: Now
) -> MadeToken:
    token, new = await token_service.create_token(
        session, actor=actor, name=draft.name, scopes=draft.scopes, days=draft.expires_in_days, now=now
    )
    response.headers["Cache-Control"] = "no-store"
    return MadeToken(**dict(TokenOut.model_validate(token, from_attributes=True)), access_token=new.token)


@router.delete(
    "/tokens/{token_id}", summary="Revoke one of your API tokens", status_code=204, responses=problems(401, 403, 404)
)
async def revoke_token(token_id: UUID, actor: Caller, session: SessionDep, now: Now) -> None:
    await token_service.revoke_token(session, actor=actor, token_id=token_id, now=now)


@router.get("/sessions", summary="List the browsers in which you are signed in", responses=problems(401, 403))
async def list_sessions(
    actor: Caller, session: SessionDep, *, now: Now, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> SessionList:
    page = await token_service.list_sessions(session, actor=actor, now=now, limit=limit, cursor=cursor)
    return SessionList(items=[_session_out(each, actor) for each in page.items], next=page.next)


@router.delete("/sessions", summary="Sign all your other browsers out", status_code=204, responses=problems(401, 403))
async def end_other_sessions(actor: Administrator, session: SessionDep, now: Now) -> None:
    await token_service.end_other_sessions(session, actor=actor, now=now)


@router.delete(
    "/sessions/{session_id}",
    summary="Sign one of your browsers out",
    status_code=204,
    responses=problems(401, 403, 404),
)
async def end_session(session_id: UUID, actor: Administrator, session: SessionDep, now: Now) -> None:
    await token_service.end_session(session, actor=actor, session_id=session_id, now=now)


@router.get("/events", summary="List what happened to your account", responses=problems(401, 403))
async def list_account_events(
    actor: Caller, session: SessionDep, *, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> EventList:
    page = await token_service.list_events(session, actor=actor, limit=limit, cursor=cursor)
    items = [EventOut.model_validate(event, from_attributes=True) for event in page.items]
    return EventList(items=items, next=page.next)


def _session_out(found: OpenSession, actor: Actor) -> SessionOut:
    return SessionOut(
        id=found.id,
        device=found.device,
        created_at=found.created_at,
        last_seen_at=found.last_seen_at,
        expires_at=found.expires_at,
        is_current=found.id == actor.credential_id,
    )
