"""Many expenses at once, their tags, and the trash, as JSON; part of `ledger.api`.

Without `from __future__ import annotations`: FastAPI and pydantic read the annotations.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller
from expenses.errors import Invalid
from expenses.etags import IfMatch
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.ledger import bulk_service, listing_service, trash_service
from expenses.ledger.api import Cursor, Limit, expected_version
from expenses.ledger.bulk import MOST_AT_ONCE, BulkChange, Order, Target, outcome
from expenses.ledger.model import DEFAULT_PAGE_SIZE
from expenses.ledger.wire import ExpenseOut, Merchant, Tags
from expenses.openapi import operation_id, problems
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}", tags=["ledger"], generate_unique_id_function=operation_id
)


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BulkTarget(_Closed):
    """One expense to change."""

    id: UUID
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="The version it must have; any, if missing"
    )


class BulkPatch(_Closed):
    """What shall be different about all of them; fields that are missing stay as they are."""

    merchant: Merchant = Field(default_factory=str)
    category_id: UUID | None = None
    payer_id: UUID | None = None
    account_id: UUID | None = None
    add_tags: Tags = []
    remove_tags: Tags = []

    def change(self) -> BulkChange:
        """What it says."""
        said: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        said |= {"add_tags": tuple(self.add_tags), "remove_tags": tuple(self.remove_tags)}
        return BulkChange(**said)


class BulkIn(_Closed):
    """What to do with which expenses: with all of them or, if one refuses, with none."""

    expenses: Annotated[list[BulkTarget], Field(min_length=1, max_length=MOST_AT_ONCE)]
    action: Literal["change", "delete", "restore"]
    change: BulkPatch | None = Field(default=None, description="Goes with `change`, and with nothing else")

    def order(self) -> Order:
        """What it says. Raises `Invalid`."""
        if (self.action == "change") != (self.change is not None):
            raise Invalid("The action `change` needs a `change`, and the others have none.", field="change")
        return Order(self.action, self.change.change() if self.change else BulkChange())


class BulkOutcome(BaseModel):
    """What became of one expense."""

    id: UUID
    version: int
    changed: bool = Field(description="false: it was like that already")


class BulkResult(BaseModel):
    """What became of all of them, in the order of the request."""

    items: list[BulkOutcome]


class TrashedOut(ExpenseOut):
    """One expense in the trash."""

    deleted_at: datetime


class TrashList(BaseModel):
    """One page of the trash, newest deletion first."""

    items: list[TrashedOut]
    next: str | None


class TagOut(BaseModel):
    """One tag, and how many of the expenses that were looked at have it."""

    name: str
    count: int


class TagList(BaseModel):
    """A page of tags, most used first. One that is used while you turn pages takes another place."""

    items: list[TagOut]
    next: str | None = None


@router.get(
    "/tags",
    summary="List the tags of the newest 20,000 expenses, most used first",
    response_model=TagList,
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_tags(
    workspace_id: UUID, actor: Caller, session: SessionDep, *, limit: Limit = None, cursor: Cursor = None
) -> JSONAnswer:
    page = await listing_service.list_tags(
        session, actor=actor, workspace_id=workspace_id, limit=limit or DEFAULT_PAGE_SIZE, cursor=cursor
    )
    return JSONAnswer({"items": [{"name": name, "count": count} for name, count in page.items], "next": page.next})


@router.post(
    "/expenses/bulk",
    summary="Change, delete or restore many expenses at once, all or none",
    response_model=BulkResult,
    responses=problems(401, 403, 404, 409),
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
async def change_expenses(workspace_id: UUID, body: BulkIn, actor: Caller, session: SessionDep, now: Now) -> JSONAnswer:
    targets = [Target(each.id, each.version) for each in body.expenses]
    done = await bulk_service.change_expenses(
        session, actor=actor, workspace_id=workspace_id, targets=targets, order=body.order(), now=now
    )
    return JSONAnswer({"items": [outcome(before, after) for before, after in done]})


@router.get(
    "/trash",
    summary="List the trash, newest deletion first",
    response_model=TrashList,
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_trash(
    workspace_id: UUID, actor: Caller, session: SessionDep, *, limit: Limit = None, cursor: Cursor = None
) -> JSONAnswer:
    page = await trash_service.list_trash(
        session, actor=actor, workspace_id=workspace_id, limit=limit or DEFAULT_PAGE_SIZE, cursor=cursor
    )
    items = [
        each.snapshot() | {"deleted_at": each.deleted_at.isoformat() if each.deleted_at else None}
        for each in page.items
    ]
    return JSONAnswer({"items": items, "next": page.next})


@router.delete(
    "/trash/{expense_id}",
    summary="Delete an expense in the trash for ever",
    status_code=204,
    responses=problems(401, 403, 404, 412),
    openapi_extra=needs(Action.PURGE_TRASH),
)
async def purge_expense(
    workspace_id: UUID, expense_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await trash_service.purge_expense(
        session,
        actor=actor,
        workspace_id=workspace_id,
        expense_id=expense_id,
        expected_version=expected_version(if_match),
        now=now,
    )
