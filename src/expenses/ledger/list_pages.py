"""All expenses on pages, searched across months, and the trash; part of `ledger.pages`."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import Actor
from expenses.cursor import InvalidCursor
from expenses.db import Session
from expenses.errors import Invalid, NotFound, PreconditionFailed
from expenses.http import Now, SessionDep
from expenses.ledger import service, trash_service
from expenses.ledger.categories import Category
from expenses.ledger.model import Expense, ExpenseFilter
from expenses.ledger.pages import local_day
from expenses.versions import number_in
from expenses.web import charts, flash
from expenses.web.forms import version_in
from expenses.web.overtaken import STATUS, Overtaken
from expenses.web.page import page, see_other
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

ROWS = 50
"""Expenses on one page."""

_DONE = {"purged": "Deleted for ever.", "untrashed": "Taken out of the trash."}

_UNPURGED = Overtaken(
    "Not deleted: this expense",
    "Look for it in the list, which has it as it is now, and delete it again if you want to.",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One expense in a list."""

    expense: Expense
    category: str | None
    color: str
    letter: str


@router.get("/expenses", openapi_extra=needs(Action.SEE_LEDGER))
async def list_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, *, workspace_id: UUID
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    q, after = (request.query_params.get(name, "").strip() for name in ("q", "after"))
    rows: list[Row] = []
    next_href, error = None, None
    try:
        found = await service.list_expenses(
            session,
            actor=actor,
            workspace_id=workspace_id,
            filters=ExpenseFilter(q=q or None),
            limit=ROWS,
            cursor=after or None,
        )
        rows = await _rows(session, actor, workspace_id, found.items)
        next_href = f"expenses?{urlencode({'q': q, 'after': found.next} if q else {'after': found.next})}"
        next_href = next_href if found.next else None
    except InvalidCursor as broken:
        raise NotFound("There is nothing that could be listed like that.") from broken
    except Invalid as refused:
        error = refused.detail
    return page(
        request,
        "ledger/list.html",
        status=422 if error else 200,
        actor=actor,
        membership=membership,
        today=local_day(membership.workspace, now),
        q=q,
        after=after,
        rows=rows,
        next_href=next_href,
        errors={"q": error} if error else {},
    )


@router.get("/trash", openapi_extra=needs(Action.SEE_LEDGER))
async def trash_page(request: Request, session: SessionDep, actor: SignedIn, *, workspace_id: UUID) -> Response:
    return await _trash(request, session, actor, workspace_id, after=request.query_params.get("after", ""))


@router.post("/trash/{expense_id:uuid}/restore", openapi_extra=needs(Action.CHANGE_EXPENSES))
async def restore(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, _: Fields, *, workspace_id: UUID, expense_id: UUID
) -> Response:
    await service.restore_expense(session, actor=actor, workspace_id=workspace_id, expense_id=expense_id, now=now)
    return _back(request, workspace_id, expense_id, "untrashed")


@router.post("/trash/{expense_id:uuid}/purge", openapi_extra=needs(Action.PURGE_TRASH))
async def purge(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    expense_id: UUID,
) -> Response:
    mine: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id, "expense_id": expense_id}
    try:
        await trash_service.purge_expense(session, **mine, expected_version=number_in(version_in(fields)), now=now)
    except PreconditionFailed:
        return await _trash(request, session, actor, workspace_id, overtaken=_UNPURGED)
    return _back(request, workspace_id, expense_id, "purged")


async def _trash(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    *,
    after: str = "",
    overtaken: Overtaken | None = None,
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    try:
        found = await trash_service.list_trash(
            session, actor=actor, workspace_id=workspace_id, limit=ROWS, cursor=after or None
        )
    except InvalidCursor as broken:
        raise NotFound("There is nothing that could be listed like that.") from broken
    done = flash.recall(request)
    response = page(
        request,
        "ledger/trash.html",
        status=STATUS if overtaken else 200,
        actor=actor,
        membership=membership,
        can_write=Action.CHANGE_EXPENSES.allows(membership.role),
        can_purge=Action.PURGE_TRASH.allows(membership.role),
        after=after,
        rows=await _rows(session, actor, workspace_id, found.items),
        next_href=f"/w/{workspace_id}/trash?{urlencode({'after': found.next})}" if found.next else None,
        overtaken=overtaken,
        kept_for=trash_service.KEPT_FOR.days,
        notice=_DONE.get(done.action) if done else None,
    )
    flash.forget(request, response, path=f"/w/{workspace_id}")
    return response


async def _rows(session: Session, actor: Actor, workspace_id: UUID, expenses: list[Expense]) -> list[Row]:
    categories = await service.list_categories(session, actor=actor, workspace_id=workspace_id, with_archived=True)
    by_id = {each.id: each for each in categories}
    return [_row(each, by_id) for each in expenses]


def _row(expense: Expense, categories: dict[UUID, Category]) -> Row:
    category = categories.get(expense.category_id) if expense.category_id else None
    several = "Several categories" if expense.lines else None
    return Row(
        expense=expense,
        category=category.name if category else several,
        color=category.color if category else charts.NO_CATEGORY,
        letter=next((character for character in expense.merchant if character.isalnum()), "·").upper()[:1],
    )


def _back(request: Request, workspace_id: UUID, expense_id: UUID, action: str) -> Response:
    response = see_other(f"/w/{workspace_id}/trash")
    flash.remember(request, response, path=f"/w/{workspace_id}", done=flash.Done(action, expense_id))
    return response
