"""Expenses as JSON.

Answers are written from the domain's own snapshots, or by the database in their form, not through the models of
`wire`: those describe and are tested against. Without `from __future__ import annotations`: FastAPI reads them.
"""

import json
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in
from expenses.http import JSONAnswer, JSONText, Now, SessionDep
from expenses.idempotency.api import idempotent
from expenses.ledger import service
from expenses.ledger.model import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE, LONGEST_SEARCH, Expense, ExpenseFilter
from expenses.ledger.wire import (
    Day,
    ExpenseIn,
    ExpenseList,
    ExpenseOut,
    ExpensePatch,
    Unsaid,
)
from expenses.openapi import operation_id, problems
from expenses.versions import number_in
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}", tags=["ledger"], generate_unique_id_function=operation_id
)

Limit = Annotated[
    Annotated[int, Field(ge=1, le=LARGEST_PAGE_SIZE)] | None,
    Unsaid,
    Query(description=f"Rows on one page; {DEFAULT_PAGE_SIZE} if missing"),
]
Cursor = Annotated[str | None, Unsaid, Query(description="`next` of the page before, with the same filter")]
Text = Annotated[str, Field(max_length=LONGEST_SEARCH)]
MajorUnits = Annotated[str, Field(pattern=r"^-?[0-9]{1,16}(\.[0-9]{1,4})?$")]
_OWN = "in major units of each expense's own currency: 50 is 50.00 EUR, 50 JPY and 50.000 KWD; refunds are negative"
_READ = problems(401, 403, 404)
_MAKE = problems(401, 403, 404, 409)
_WRITE = problems(401, 403, 404, 409, 412)


@router.get(
    "/expenses",
    summary="List expenses, newest first",
    response_model=ExpenseList,
    responses=_READ,
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_expenses(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    limit: Limit = None,
    cursor: Cursor = None,
    from_day: Annotated[Day | None, Unsaid, Query(alias="from", description="First day, inclusive")] = None,
    to_day: Annotated[Day | None, Unsaid, Query(alias="to", description="Last day, inclusive")] = None,
    category_id: Annotated[
        UUID | Literal["none"] | None,
        Unsaid,
        Query(description="This category and those below it; `none`: without one"),
    ] = None,
    q: Annotated[
        Text | None,
        Unsaid,
        Query(
            description="Words and phrases of merchant, note or tags, and operators: amount>50 cat:food "
            'from:2026-01 to:2026-03 tag:holiday merchant:"corner bakery" payer:anna account:visa is:refund '
            "is:unconverted is:divided -word",
            examples=["amount>50 cat:food from:2026-01"],
        ),
    ] = None,
    tag: Annotated[Text | None, Unsaid, Query(description="This very tag")] = None,
    merchant: Annotated[Text | None, Unsaid, Query(description="Text within the merchant, in any case")] = None,
    payer_id: Annotated[UUID | None, Unsaid, Query(description="Who paid")] = None,
    account_id: Annotated[UUID | None, Unsaid, Query(description="The payment account it was paid from")] = None,
    smallest: Annotated[MajorUnits | None, Unsaid, Query(alias="min", description=f"Least amount, {_OWN}")] = None,
    largest: Annotated[MajorUnits | None, Unsaid, Query(alias="max", description=f"Largest amount, {_OWN}")] = None,
) -> JSONText:
    filters = ExpenseFilter(
        from_day=from_day,
        to_day=to_day,
        category_id=category_id if isinstance(category_id, UUID) else None,
        is_uncategorised=category_id == "none",
        q=q,
        tag=tag,
        merchant=merchant,
        payer_id=payer_id,
        account_id=account_id,
        smallest=None if smallest is None else Decimal(smallest),
        largest=None if largest is None else Decimal(largest),
    )
    page = await service.show_expenses(
        session,
        actor=actor,
        workspace_id=workspace_id,
        filters=filters,
        limit=limit or DEFAULT_PAGE_SIZE,
        cursor=cursor,
    )
    return JSONText(f'{{"items":[{",".join(page.items)}],"next":{json.dumps(page.next)}}}')


@router.post(
    "/expenses",
    summary="Record an expense",
    status_code=201,
    response_model=ExpenseOut,
    responses=_MAKE | {201: ETAG},
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
@idempotent
async def add_expense(workspace_id: UUID, body: ExpenseIn, actor: Caller, session: SessionDep, now: Now) -> JSONAnswer:
    draft = body.draft(default_payer_id=actor.user_id)
    new, said = await service.add_shown_expense(session, actor=actor, workspace_id=workspace_id, draft=draft, now=now)
    where = f"/api/v1/workspaces/{workspace_id}/expenses/{new.id}"
    return JSONAnswer(said, status_code=201, headers={"ETag": f'"{new.version}"', "Location": where})


@router.get(
    "/expenses/{expense_id}",
    summary="Show an expense",
    response_model=ExpenseOut,
    responses=_READ | {200: ETAG},
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def get_expense(workspace_id: UUID, expense_id: UUID, actor: Caller, session: SessionDep) -> JSONText:
    text, version = await service.show_expense(session, actor=actor, workspace_id=workspace_id, expense_id=expense_id)
    return JSONText(text, headers={"ETag": f'"{version}"'})


@router.patch(
    "/expenses/{expense_id}",
    summary="Change an expense",
    response_model=ExpenseOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
async def change_expense(
    workspace_id: UUID,
    expense_id: UUID,
    body: ExpensePatch,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    if_match: IfMatch = None,
) -> JSONAnswer:
    changed = await service.change_expense(
        session,
        actor=actor,
        workspace_id=workspace_id,
        expense_id=expense_id,
        change=body.change(),
        expected_version=expected_version(if_match),
        now=now,
    )
    return _answer(changed)


@router.delete(
    "/expenses/{expense_id}",
    summary="Put an expense into the trash",
    status_code=204,
    responses=_WRITE,
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
async def delete_expense(
    workspace_id: UUID, expense_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await service.delete_expense(
        session,
        actor=actor,
        workspace_id=workspace_id,
        expense_id=expense_id,
        expected_version=expected_version(if_match),
        now=now,
    )


@router.post(
    "/expenses/{expense_id}/restore",
    summary="Take an expense out of the trash",
    response_model=ExpenseOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
async def restore_expense(
    workspace_id: UUID, expense_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> JSONAnswer:
    restored = await service.restore_expense(
        session,
        actor=actor,
        workspace_id=workspace_id,
        expense_id=expense_id,
        expected_version=expected_version(if_match),
        now=now,
    )
    return _answer(restored)


def _answer(expense: Expense) -> JSONAnswer:
    return JSONAnswer(expense.snapshot(), headers={"ETag": f'"{expense.version}"'})


def expected_version(if_match: str | None) -> int | None:
    """The version of an expense that `If-Match` asks for; nothing for any. Raises what `expected_in` raises."""
    return number_in(expected_in(if_match))
