"""Categories as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in, shown
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.idempotency.api import idempotent
from expenses.ledger import service
from expenses.ledger.categories import MOST_CATEGORIES
from expenses.ledger.category_wire import CategoryIn, CategoryList, CategoryOut, CategoryPatch
from expenses.openapi import operation_id, problems
from expenses.paging import Cursor, up_to
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}/categories", tags=["ledger"], generate_unique_id_function=operation_id
)

_READ = problems(401, 403, 404)
_MAKE = problems(401, 403, 404, 409)
_WRITE = problems(401, 403, 404, 409, 412)


@router.get(
    "",
    summary="List categories",
    response_model=CategoryList,
    responses=_READ,
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_categories(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    archived: Annotated[bool, Query(description="Archived ones too")] = False,
    limit: Annotated[int, up_to(MOST_CATEGORIES)] = MOST_CATEGORIES,
    cursor: Cursor = None,
) -> JSONAnswer:
    page = await service.categories_on_page(
        session, actor=actor, workspace_id=workspace_id, with_archived=archived, limit=limit, cursor=cursor
    )
    return JSONAnswer({"items": [each.snapshot() for each in page.items], "next": page.next})


@router.post(
    "",
    summary="Make a category",
    status_code=201,
    response_model=CategoryOut,
    responses=_MAKE | {201: ETAG},
    openapi_extra=needs(Action.CHANGE_CATEGORIES),
)
@idempotent
async def add_category(
    workspace_id: UUID, body: CategoryIn, actor: Caller, session: SessionDep, now: Now
) -> JSONAnswer:
    new = await service.add_category(session, actor=actor, workspace_id=workspace_id, draft=body.draft(), now=now)
    return shown(new.snapshot(), status=201, location=f"/api/v1/workspaces/{workspace_id}/categories/{new.id}")


@router.get(
    "/{category_id}",
    summary="Show a category",
    response_model=CategoryOut,
    responses=_READ | {200: ETAG},
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def get_category(workspace_id: UUID, category_id: UUID, actor: Caller, session: SessionDep) -> JSONAnswer:
    found = await service.get_category(session, actor=actor, workspace_id=workspace_id, category_id=category_id)
    return shown(found.snapshot())


@router.patch(
    "/{category_id}",
    summary="Change a category",
    response_model=CategoryOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_CATEGORIES),
)
async def change_category(
    workspace_id: UUID,
    category_id: UUID,
    body: CategoryPatch,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    if_match: IfMatch = None,
) -> JSONAnswer:
    changed = await service.change_category(
        session,
        actor=actor,
        workspace_id=workspace_id,
        category_id=category_id,
        change=body.change(),
        expected=expected_in(if_match),
        now=now,
    )
    return shown(changed.snapshot())


@router.delete(
    "/{category_id}",
    summary="Archive a category",
    status_code=204,
    responses=_WRITE,
    openapi_extra=needs(Action.CHANGE_CATEGORIES),
)
async def archive_category(
    workspace_id: UUID, category_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await service.archive_category(
        session,
        actor=actor,
        workspace_id=workspace_id,
        category_id=category_id,
        expected=expected_in(if_match),
        now=now,
    )
