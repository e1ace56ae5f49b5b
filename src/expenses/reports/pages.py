"""The month: list grouped by day, totals, categories, quick add. The page that people live on."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import SignedIn
from expenses.accounts.model import Actor
from expenses.db import Session
from expenses.errors import Invalid, NotFound, ServiceError
from expenses.http import Now, SessionDep
from expenses.ledger import service as ledger
from expenses.ledger.forms import WRITERS
from expenses.ledger.model import ExpenseFilter
from expenses.ledger.pages import add_form, local_day, month_path
from expenses.reports import view
from expenses.reports.model import Month, MonthReport
from expenses.reports.service import monthly
from expenses.web import flash
from expenses.web.page import page, see_other
from expenses.workspaces.model import Membership
from expenses.workspaces.service import membership_of

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

ROWS = 200
"""Expenses on one page: a busy month of a household. What is older is one link away."""

_DONE = {"added": "Added", "saved": "Saved", "restored": "Back again"}


@router.get("/")
async def this_month(session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID) -> Response:
    membership = await membership_of(session, user_id=actor.user_id, workspace_id=workspace_id)
    return see_other(month_path(workspace_id, local_day(membership.workspace, now)))


@router.get("/months/{month}")
async def month_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID, *, month: str
) -> Response:
    membership = await membership_of(session, user_id=actor.user_id, workspace_id=workspace_id)
    try:
        chosen = Month.parse(month)
    except Invalid as error:
        raise NotFound("There is no such month.") from error
    report = await monthly(session, actor=actor, workspace_id=workspace_id, month=chosen)
    today = local_day(membership.workspace, now)
    head = view.month_head(chosen, workspace_id=workspace_id, today=today)
    listing = await _listing(request, session, actor, membership, report=report, head=head)
    base = membership.workspace.base_currency
    response = page(
        request,
        "reports/month.html",
        actor=actor,
        membership=membership,
        can_write=membership.role in WRITERS,
        today=today,
        month=head,
        summary=view.summary(report, base_currency=base),
        columns=view.columns(report, base_currency=base),
        groups=view.category_groups(report, base_currency=base, head=head, chosen=listing["category"]),
        listing=listing,
        notice=_notice(request, workspace_id, listing),
        **await add_form(session, actor=actor, membership=membership, now=now, merchants=listing["merchants"]),
    )
    flash.forget(response, path=f"/w/{workspace_id}")
    return response


async def _listing(
    request: Request,
    session: Session,
    actor: Actor,
    membership: Membership,
    *,
    report: MonthReport,
    head: view.MonthHead,
) -> dict[str, Any]:
    """The part of the month's expenses that the address asks for, and what the template says about it."""
    asked = {name: request.query_params.get(name, "") for name in ("q", "category", "after", "day")}
    categories = await ledger.list_categories(
        session, actor=actor, workspace_id=membership.workspace.id, with_archived=True
    )
    found = await ledger.list_expenses(
        session,
        actor=actor,
        workspace_id=membership.workspace.id,
        filters=_filters(asked, report.month),
        limit=ROWS,
        cursor=asked["after"] or None,
    )
    is_filtered = bool(asked["q"].strip() or asked["category"])
    by_id = {each.id: each for each in categories}
    done = flash.recall(request)
    return {
        "days": view.days(
            found.items,
            totals=() if is_filtered else report.days,
            categories=by_id,
            fresh=done.subject if done else None,
            continued=asked["day"],
        ),
        "query": asked["q"],
        "category": asked["category"],
        "title": _title(asked, {str(each.id): each.name for each in categories}),
        "is_filtered": is_filtered,
        "is_continued": bool(asked["after"]),
        "next_href": _next_href(head, asked, found.next, found.items[-1].spent_on.isoformat() if found.items else ""),
        "merchants": list(dict.fromkeys(each.merchant for each in found.items))[:50],
        "fresh": next((each for each in found.items if done and each.id == done.subject), None),
    }


def _filters(asked: dict[str, str], month: Month) -> ExpenseFilter:
    """What the address asks for; it is never wrong, at most nothing fits."""
    category = asked["category"]
    try:
        return ExpenseFilter(
            from_day=month.first_day,
            to_day=month.last_day,
            category_id=UUID(category) if category not in {"", "none"} else None,
            is_uncategorised=category == "none",
            q=asked["q"].strip() or None,
        )
    except (ValueError, ServiceError) as error:
        raise NotFound("There is nothing that could be listed like that.") from error


def _title(asked: dict[str, str], names: dict[str, str]) -> str:
    chosen = "Uncategorised" if asked["category"] == "none" else names.get(asked["category"], "Expenses")
    return f"{chosen} with “{asked['q'].strip()}”" if asked["q"].strip() else chosen


def _next_href(head: view.MonthHead, asked: dict[str, str], cursor: str | None, last_day: str) -> str | None:
    if cursor is None:
        return None
    kept = {name: asked[name] for name in ("q", "category") if asked[name]}
    return f"{head.href}?{urlencode(kept | {'after': cursor, 'day': last_day})}"


def _notice(request: Request, workspace_id: UUID, listing: dict[str, Any]) -> dict[str, str | None] | None:
    """The sentence about what was just done. Of a deleted expense it holds no more than the way to get it back."""
    done = flash.recall(request)
    if done is None:
        return None
    if done.action == "deleted":
        return {"text": "Expense deleted.", "undo": f"/w/{workspace_id}/expenses/{done.subject}/restore"}
    expense = listing["fresh"]
    if expense is None or done.action not in _DONE:
        return None
    return {"text": f"{_DONE[done.action]}: {expense.merchant}", "undo": None}
