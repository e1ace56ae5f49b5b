"""The record of changes as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from expenses.accounts.auth import Caller
from expenses.history import service
from expenses.history.model import differences
from expenses.http import SessionDep
from expenses.ledger.model import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from expenses.ledger.wire import Unsaid
from expenses.openapi import operation_id, problems
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}", tags=["history"], generate_unique_id_function=operation_id
)

Limit = Annotated[
    Annotated[int, Field(ge=1, le=LARGEST_PAGE_SIZE)] | None,
    Unsaid,
    Query(description=f"Rows on one page; {DEFAULT_PAGE_SIZE} if missing"),
]
Cursor = Annotated[str | None, Unsaid, Query(description="`next` of the page before, with the same filter")]


class AuditEventOut(BaseModel):
    """One change of one thing. `before` and `after` are the thing in the JSON of this API, as it was then."""

    id: UUID
    at: datetime
    actor_id: UUID | None = Field(description="null: the service itself")
    entity: str = Field(description="What was changed; new words may come", examples=["expense", "category", "member"])
    entity_id: UUID
    action: str = Field(description="What was done to it; new words may come", examples=["create", "change", "delete"])
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None


class AuditEventList(BaseModel):
    """One page of the record of changes, newest first."""

    items: list[AuditEventOut]
    next: str | None


@router.get(
    "/audit",
    summary="List changes, newest first",
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_AUDIT),
)
async def list_audit_events(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    limit: Limit = None,
    cursor: Cursor = None,
    entity_id: Annotated[UUID | None, Unsaid, Query(description="Only changes of this thing")] = None,
) -> AuditEventList:
    page = await service.list_audit_events(
        session,
        actor=actor,
        workspace_id=workspace_id,
        entity_id=entity_id,
        limit=limit or DEFAULT_PAGE_SIZE,
        cursor=cursor,
    )
    items = [AuditEventOut.model_validate(each, from_attributes=True) for each in page.items]
    return AuditEventList(items=items, next=page.next)


class DifferenceOut(BaseModel):
    """One field that was changed."""

    field: str
    before: Any
    after: Any


class ChangeOut(BaseModel):
    """One change of an expense, as its differences."""

    id: UUID
    at: datetime
    actor_id: UUID | None = Field(description="null: the service itself")
    action: str
    differences: list[DifferenceOut] = Field(description="In the JSON of this API; without id and version")


class ChangeList(BaseModel):
    """One page of the history of an expense, newest first."""

    items: list[ChangeOut]
    next: str | None


@router.get(
    "/expenses/{expense_id}/history",
    summary="Show what was changed about an expense, newest first",
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_HISTORY),
)
async def list_changes(
    workspace_id: UUID,
    expense_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    limit: Limit = None,
    cursor: Cursor = None,
) -> ChangeList:
    page = await service.list_changes(
        session,
        actor=actor,
        workspace_id=workspace_id,
        expense_id=expense_id,
        limit=limit or DEFAULT_PAGE_SIZE,
        cursor=cursor,
    )
    items = [
        ChangeOut(
            id=event.id,
            at=event.at,
            actor_id=event.actor_id,
            action=event.action,
            differences=[DifferenceOut.model_validate(each, from_attributes=True) for each in differences(event)],
        )
        for event in page.items
    ]
    return ChangeList(items=items, next=page.next)
