"""Merchants as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller
from expenses.cursor import InvalidCursor
from expenses.errors import Invalid
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.ledger.model import LONGEST_MERCHANT
from expenses.ledger.wire import Merchant, Unsaid
from expenses.merchants import service
from expenses.merchants.model import DEFAULT_SUGGESTIONS, MOST_MERGED, MOST_SUGGESTIONS
from expenses.openapi import operation_id, problems
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}/merchants", tags=["merchants"], generate_unique_id_function=operation_id
)


class MerchantOut(BaseModel):
    """One merchant, spelled as on its latest expense, with what that expense said."""

    model_config = ConfigDict(extra="forbid")

    name: str
    last_spent_on: date
    last_category_id: UUID | None
    last_currency: str
    last_account_id: UUID | None


class MerchantList(BaseModel):
    """Suggestions, best first, without a following page; or a page of all merchants, by name."""

    items: list[MerchantOut]
    next: str | None = None


class RenameIn(BaseModel):
    """Which merchants get which name; several become one."""

    model_config = ConfigDict(extra="forbid")

    names: Annotated[list[Merchant], Field(alias="from", min_length=1, max_length=MOST_MERGED)]
    to: Merchant


class RenameOut(BaseModel):
    """How many expenses were changed."""

    changed: int


@router.get(
    "",
    summary="Suggest merchants, or list them all",
    response_model=MerchantList,
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def suggest_merchants(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    q: Annotated[
        Annotated[str, Field(max_length=LONGEST_MERCHANT)] | None,
        Unsaid,
        Query(description="Part of the name, in any case; the latest used, if missing"),
    ] = None,
    limit: Annotated[
        Annotated[int, Field(ge=1, le=MOST_SUGGESTIONS)] | None,
        Unsaid,
        Query(description=f"{DEFAULT_SUGGESTIONS} if missing"),
    ] = None,
    order: Annotated[
        Literal["likely", "name"],
        Query(description="`likely`: what is meant by `q`. `name`: all of them, page by page, without a `q`"),
    ] = "likely",
    cursor: Annotated[str | None, Unsaid, Query(description="`next` of the page before; with `order=name`")] = None,
) -> JSONAnswer:
    if order == "name":
        if q:
            raise Invalid("All merchants are listed; leave `q` out.", field="q")
        page = await service.list_merchants(
            session, actor=actor, workspace_id=workspace_id, limit=limit or DEFAULT_SUGGESTIONS, cursor=cursor
        )
        return JSONAnswer({"items": [each.snapshot() for each in page.items], "next": page.next})
    if cursor is not None:
        raise InvalidCursor("Suggestions have no following page; list all with `order=name`.", field="cursor")
    found = await service.suggest_merchants(
        session, actor=actor, workspace_id=workspace_id, q=q or "", limit=limit or DEFAULT_SUGGESTIONS
    )
    return JSONAnswer({"items": [each.snapshot() for each in found], "next": None})


@router.post(
    "/rename",
    summary="Rename a merchant, or make several into one",
    response_model=RenameOut,
    responses=problems(401, 403, 404, 409),
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
async def rename_merchants(
    workspace_id: UUID, body: RenameIn, actor: Caller, session: SessionDep, now: Now
) -> JSONAnswer:
    changed = await service.rename_merchants(
        session, actor=actor, workspace_id=workspace_id, names=body.names, to=body.to, now=now
    )
    return JSONAnswer({"changed": changed})
