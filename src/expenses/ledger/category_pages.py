"""The page on which categories are made and archived; part of `ledger.pages`."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import Actor
from expenses.db import Session
from expenses.errors import Conflict, Invalid, PreconditionFailed
from expenses.http import Now, SessionDep
from expenses.ledger import service
from expenses.ledger.categories import Category, CategoryDraft
from expenses.ledger.forms import errors_by_field, uuid_or_none
from expenses.ledger.tree import in_reading_order
from expenses.web import flash
from expenses.web.charts import PALETTE
from expenses.web.forms import version_in
from expenses.web.overtaken import STATUS, Overtaken
from expenses.web.page import page, see_other
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}/categories", include_in_schema=False)

_DONE = {"categoryadded": "Category added.", "categoryarchived": "Category archived."}

_UNARCHIVED = Overtaken("Not archived: this category", "Archive it again, in the list below, if you still want to.")


@router.get("", openapi_extra=needs(Action.SEE_LEDGER))
async def categories_page(request: Request, session: SessionDep, actor: SignedIn, workspace_id: UUID) -> Response:
    return await _page(request, session, actor, workspace_id)


@router.post("", openapi_extra=needs(Action.CHANGE_CATEGORIES))
async def add_category(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields, *, workspace_id: UUID
) -> Response:
    try:
        draft = CategoryDraft(
            name=fields.get("name", "").strip(),
            parent_id=uuid_or_none(fields.get("parent_id", "")),
            color=fields.get("color", ""),
        )
        new = await service.add_category(session, actor=actor, workspace_id=workspace_id, draft=draft, now=now)
    except (Invalid, Conflict) as error:
        return await _page(request, session, actor, workspace_id, form=fields, error=error)
    return _back(request, workspace_id, new.id, "categoryadded")


@router.post("/{category_id:uuid}/archive", openapi_extra=needs(Action.CHANGE_CATEGORIES))
async def archive_category(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    category_id: UUID,
) -> Response:
    mine: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id, "category_id": category_id}
    try:
        await service.archive_category(session, **mine, expected=version_in(fields), now=now)
    except PreconditionFailed:
        return await _page(request, session, actor, workspace_id, overtaken=await service.get_category(session, **mine))
    return _back(request, workspace_id, category_id, "categoryarchived")


async def _page(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    *,
    form: dict[str, str] | None = None,
    error: Invalid | Conflict | None = None,
    overtaken: Category | None = None,
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    categories = await service.list_categories(session, actor=actor, workspace_id=workspace_id)
    done = flash.recall(request)
    response = page(
        request,
        "ledger/categories.html",
        status=STATUS if overtaken else error.status if error else 200,
        actor=actor,
        membership=membership,
        can_write=Action.CHANGE_CATEGORIES.allows(membership.role),
        categories=list(in_reading_order(categories)),
        parents=[each for each in in_reading_order(categories) if each.parent_id is None],
        form={"name": "", "parent_id": "", "color": _fresh_color(categories)} | (form or {}),
        errors=errors_by_field(error) if error else {},
        overtaken=replace(_UNARCHIVED, now=_told(overtaken, categories)) if overtaken else None,
        palette=PALETTE,
        notice=_DONE.get(done.action) if done else None,
    )
    flash.forget(request, response, path=f"/w/{workspace_id}")
    return response


def _told(category: Category, among: list[Category]) -> tuple[tuple[str, str], ...]:
    """What the category is by now."""
    parent = next((each.name for each in among if each.id == category.parent_id), "")
    return ("Name", category.name), ("Part of", parent)


def _fresh_color(categories: list[Category]) -> str:
    """The colour of the palette that the fewest categories have."""
    used = [each.color for each in categories]
    return min(PALETTE, key=used.count)


def _back(request: Request, workspace_id: UUID, category_id: UUID, action: str) -> Response:
    response = see_other(f"/w/{workspace_id}/categories")
    flash.remember(request, response, path=f"/w/{workspace_id}", done=flash.Done(action, category_id))
    return response
