"""The page that says who changed what about an expense."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import SignedIn
from expenses.cursor import InvalidCursor
from expenses.errors import NotFound
from expenses.history import service
from expenses.history.view import Names, told
from expenses.http import SessionDep
from expenses.ledger.service import list_categories
from expenses.payments.service import list_accounts
from expenses.web.page import page
from expenses.workspaces.member_service import names_of_people
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

ROWS = 50
"""Changes on one page."""


@router.get("/expenses/{expense_id:uuid}/history", openapi_extra=needs(Action.SEE_HISTORY))
async def history_page(
    request: Request, session: SessionDep, actor: SignedIn, *, workspace_id: UUID, expense_id: UUID
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_HISTORY)
    mine: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id}
    try:
        found = await service.list_changes(
            session, **mine, expense_id=expense_id, limit=ROWS, cursor=request.query_params.get("after") or None
        )
    except InvalidCursor as broken:
        raise NotFound("There is nothing that could be listed like that.") from broken
    categories = await list_categories(session, **mine, with_archived=True)
    accounts = await list_accounts(session, **mine, with_archived=True)
    names = Names(
        people={str(user_id): name for user_id, name in (await names_of_people(session, **mine)).items()},
        categories={str(each.id): each.name for each in categories},
        accounts={str(each.id): each.name for each in accounts},
    )
    zone = ZoneInfo(membership.workspace.time_zone)
    newest = found.items[0].after or found.items[0].before or {}
    return page(
        request,
        "history/history.html",
        actor=actor,
        membership=membership,
        title=newest.get("merchant", ""),
        expense_id=expense_id,
        changes=[told(each, names=names, zone=zone) for each in found.items],
        next_href=f"history?{urlencode({'after': found.next})}" if found.next else None,
    )
