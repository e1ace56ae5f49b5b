"""The month: list grouped by day, totals, categories, quick add. The page that people live on."""

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import SignedIn
from expenses.accounts.model import Actor
from expenses.db import Session
from expenses.errors import Invalid, NotFound
from expenses.http import Now, SessionDep
from expenses.ledger import service as ledger
from expenses.ledger.pages import add_form, local_day, month_path
from expenses.ledger.search import InvalidSearch
from expenses.reports import view
from expenses.reports.breakdown import category_groups
from expenses.reports.model import Month, MonthReport
from expenses.reports.service import monthly
from expenses.web import flash
from expenses.web.page import page, see_other
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

ROWS = 50
"""Expenses on one page, as on all pages. They are not compressed on the way (BREACH), so they have to be small by
themselves. What is older is one link away."""

_DONE = {"added": "Added", "saved": "Saved", "restored": "Back again"}


@router.get("/", openapi_extra=needs(Action.SEE_LEDGER))
async def this_month(session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    return see_other(month_path(workspace_id, local_day(membership.workspace, now)))


@router.get("/months/{month}", openapi_extra=needs(Action.SEE_LEDGER))
async def month_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID, *, month: str
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    try:
        chosen = Month.parse(month)
    except Invalid as error:
        raise NotFound("There is no such month.") from error
    report = await monthly(session, actor=actor, workspace_id=workspace_id, month=chosen)
    today = local_day(membership.workspace, now)
    head = view.month_head(chosen, workspace_id=workspace_id, today=today)
    try:
        listing = await _listing(request, session, actor, workspace_id, report=report, head=head)
    except InvalidSearch:  # that page says what is wrong with it, and what can be searched for
        return see_other(f"/w/{workspace_id}/expenses?{urlencode({'q': request.query_params['q']})}")
    base = membership.workspace.base_currency
    response = page(
        request,
        "reports/month.html",
        actor=actor,
        membership=membership,
        can_write=Action.CHANGE_EXPENSES.allows(membership.role),
        today=today,
        month=head,
        summary=view.summary(report, base_currency=base),
        columns=view.columns(report, base_currency=base),
        groups=category_groups(report, base_currency=base, href=head.href, chosen=listing.asked.category),
        listing=listing,
        notice=_notice(request, workspace_id, listing),
        **await add_form(session, actor=actor, membership=membership, now=now, merchants=listing.merchants),
    )
    flash.forget(request, response, path=f"/w/{workspace_id}")
    return response


async def _listing(
    request: Request, session: Session, actor: Actor, workspace_id: UUID, *, report: MonthReport, head: view.MonthHead
) -> view.Listing:
    text = request.query_params.get
    asked = view.Asked(text("q", "").strip(), text("category", ""), text("after", ""), text("day", ""))
    try:
        filters = asked.filters(report.month)
    except (ValueError, Invalid) as error:
        raise NotFound("There is nothing that could be listed like that.") from error
    found = await ledger.list_entries(
        session, actor=actor, workspace_id=workspace_id, filters=filters, limit=ROWS, cursor=asked.after or None
    )
    categories = await ledger.list_categories(session, actor=actor, workspace_id=workspace_id, with_archived=True)
    done = flash.recall(request)
    fresh = done.subject if done else None
    return view.listing(asked, found, report=report, head=head, categories=categories, fresh=fresh)


def _notice(request: Request, workspace_id: UUID, listing: view.Listing) -> dict[str, str | None] | None:
    """The sentence about what was just done. Of a deleted expense it holds no more than the way to get it back."""
    done = flash.recall(request)
    if done is None:
        return None
    if done.action == "deleted":
        return {"text": "Expense deleted.", "undo": f"/w/{workspace_id}/expenses/{done.subject}/restore"}
    merchant = next((row.merchant for day in listing.days for row in day.rows if row.is_fresh), None)
    if merchant is None or done.action not in _DONE:
        return None
    return {"text": f"{_DONE[done.action]}: {merchant}", "undo": None}
