"""Writing down, changing, deleting and restoring an expense on pages, and the categories' page.

The month itself is in `reports.pages`, which may use this noun; everything here ends in a redirect there.
"""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import Actor
from expenses.db import Session
from expenses.errors import Invalid, PreconditionFailed
from expenses.http import Now, SessionDep
from expenses.ledger import service
from expenses.ledger.forms import empty_form, errors_by_field, form_of, read_change, read_expense, typed_over
from expenses.ledger.model import Expense, ExpenseChange, ExpenseDraft
from expenses.ledger.tree import choices
from expenses.ledger.view import Names, overwritten, told
from expenses.money import CURRENCIES
from expenses.versions import number_in
from expenses.web import figures, flash
from expenses.web.forms import version_in
from expenses.web.overtaken import STATUS, Overtaken
from expenses.web.page import page, see_other
from expenses.workspaces.member_service import list_members, names_of_people
from expenses.workspaces.model import Membership, Workspace
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

MOST_BOXES = 30
"""People whom the form of an expense offers to divide it among; with more of them, the API can."""

_UNSAVED = Overtaken(
    "Not saved: this expense",
    "Save again to put what stands below in its place.",
    lead="Where your form differs, it now says:",
)
_UNDELETED = Overtaken(
    "Not deleted: this expense", "This is how it stands. Delete it again, at the end of the page, if you still want to."
)


@router.post("/expenses", openapi_extra=needs(Action.CHANGE_EXPENSES))
async def add(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields, *, workspace_id: UUID
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    draft, errors = read_expense(fields, today=local_day(membership.workspace, now))
    if draft is not None:
        try:
            draft = replace(draft, payer_id=actor.user_id)  # as in the API: whoever writes it down, unless they say
            new = await service.add_expense(session, actor=actor, workspace_id=workspace_id, draft=draft, now=now)
            return _to_month(request, workspace_id, new, "added")
        except Invalid as error:
            errors = errors_by_field(error)
    context = await add_form(session, actor=actor, membership=membership, now=now, fields=fields, errors=errors)
    response = page(request, "ledger/add.html", status=422, actor=actor, membership=membership, **context)
    # The month stays where it is: htmx puts only the form with its errors in place of the form.
    response.headers.update({"HX-Retarget": "#add", "HX-Reselect": "#add", "HX-Replace-Url": "false"})
    return response


@router.get("/expenses/{expense_id:uuid}", openapi_extra=needs(Action.SEE_LEDGER))
async def edit_page(
    request: Request, session: SessionDep, actor: SignedIn, workspace_id: UUID, expense_id: UUID
) -> Response:
    expense = await service.get_expense(session, actor=actor, workspace_id=workspace_id, expense_id=expense_id)
    return await _expense_page(request, session, actor, workspace_id, expense=expense, form=form_of(expense))


@router.post("/expenses/{expense_id:uuid}", openapi_extra=needs(Action.CHANGE_EXPENSES))
async def edit(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    expense_id: UUID,
) -> Response:
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    mine: dict[str, Any] = {"actor": actor, "workspace_id": workspace_id, "expense_id": expense_id}
    expense = await service.get_expense(session, **mine)
    draft, errors = read_expense(fields, today=expense.spent_on)
    if draft is not None:
        try:
            change, seen = read_change(draft, fields), number_in(version_in(fields))
            saved = await service.change_expense(session, **mine, change=change, expected_version=seen, now=now)
            return _to_month(request, workspace_id, saved, "saved")
        except Invalid as error:
            errors = errors_by_field(error)
        except PreconditionFailed:
            return await _overtaken(request, session, actor, workspace_id, expense_id, draft=draft, fields=fields)
    form = typed_over(form_of(expense), fields)
    return await _expense_page(request, session, actor, workspace_id, expense=expense, form=form, errors=errors)


@router.post("/expenses/{expense_id:uuid}/delete", openapi_extra=needs(Action.CHANGE_EXPENSES))
async def delete(
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
        gone = await service.delete_expense(session, **mine, expected_version=number_in(version_in(fields)), now=now)
    except PreconditionFailed:
        return await _overtaken(request, session, actor, workspace_id, expense_id)
    return _to_month(request, workspace_id, gone, "deleted")


@router.post("/expenses/{expense_id:uuid}/restore", openapi_extra=needs(Action.CHANGE_EXPENSES))
async def restore(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, _: Fields, *, workspace_id: UUID, expense_id: UUID
) -> Response:
    back = await service.restore_expense(
        session, actor=actor, workspace_id=workspace_id, expense_id=expense_id, now=now
    )
    return _to_month(request, workspace_id, back, "restored")


def local_day(workspace: Workspace, now: datetime) -> date:
    """Today where the workspace is."""
    return now.astimezone(ZoneInfo(workspace.time_zone)).date()


async def add_form(
    session: Session,
    *,
    actor: Actor,
    membership: Membership,
    now: datetime,
    fields: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    merchants: list[str] | None = None,
) -> dict[str, Any]:
    """What the template `ledger/quick_add.html` needs: empty, or with what was typed and what is wrong with it."""
    workspace = membership.workspace
    today = local_day(workspace, now)
    categories = await service.list_categories(session, actor=actor, workspace_id=workspace.id)
    return {
        "form": empty_form(today=today, currency=workspace.base_currency) | (fields or {}),
        "errors": errors or {},
        "currencies": currencies_in_use(today),
        "category_choices": choices(categories),
        "merchants": merchants or [],
    }


def currencies_in_use(today: date) -> list[Any]:
    """What can be chosen for something new."""
    return [currency for currency in CURRENCIES.values() if not currency.is_withdrawn(today)]


async def _overtaken(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    expense_id: UUID,
    *,
    draft: ExpenseDraft | None = None,
    fields: dict[str, str] | None = None,
) -> Response:
    """The page of an expense that somebody else was faster with, with what was typed and with its version by now."""
    expense = await service.get_expense(session, actor=actor, workspace_id=workspace_id, expense_id=expense_id)
    current = form_of(expense)
    kept = (
        ("version", "amount", "currency") if expense.lines else ("version",)
    )  # an amount that lines come to is theirs
    form = typed_over(current, fields or {}) | {name: current[name] for name in kept}
    change = read_change(draft, fields) if draft and fields else None
    said: dict[str, Any] = {"overtaken": _UNSAVED if change else _UNDELETED, "change": change}
    response = await _expense_page(request, session, actor, workspace_id, expense=expense, form=form, **said)
    # The month's own buttons to delete are sent by htmx: this page takes the month's place, beginning at its top.
    here = f"/w/{workspace_id}/expenses/{expense_id}"
    swap = {"HX-Retarget": "#main", "HX-Reselect": "#main", "HX-Reswap": "outerHTML show:window:top"}
    response.headers.update(swap | {"HX-Push-Url": here})
    return response


async def _expense_page(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    *,
    expense: Expense,
    form: dict[str, str],
    errors: dict[str, str] | None = None,
    overtaken: Overtaken | None = None,
    change: ExpenseChange | None = None,
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    categories = await service.list_categories(session, actor=actor, workspace_id=workspace_id, with_archived=True)
    currencies = currencies_in_use(expense.spent_on)
    people = await names_of_people(session, actor=actor, workspace_id=workspace_id)
    names = Names(people, {each.id: each.name for each in categories})
    here = {each.user_id for each in await list_members(session, actor=actor, workspace_id=workspace_id)}
    here |= {each for each in (expense.payer_id, *(expense.split.user_ids if expense.split else ())) if each}
    # What was typed is kept even if it can no longer be chosen: saving it says so, and nothing else takes its place.
    people = {user_id: name for user_id, name in people.items() if user_id in here or str(user_id) == form["payer_id"]}
    kept = {expense.amount.currency.code, form["currency"]} - {each.code for each in currencies}
    currencies = [*(CURRENCIES[code] for code in sorted(kept & CURRENCIES.keys())), *currencies]
    if overtaken and change:
        afresh = f"/w/{workspace_id}/expenses/{expense.id}"
        overtaken = replace(overtaken, now=overwritten(change, expense, names), afresh=afresh)
    return page(
        request,
        "ledger/edit.html" if Action.CHANGE_EXPENSES.allows(membership.role) else "ledger/expense.html",
        status=STATUS if overtaken else 422 if errors else 200,
        actor=actor,
        membership=membership,
        title=expense.merchant,
        expense_id=expense.id,
        told=told(expense, names).values(),
        form=form,
        errors=errors or {},
        overtaken=overtaken,
        currencies=currencies,
        category_choices=choices(categories, keep={str(expense.category_id), form["category_id"]}),
        lines=expense.lines,
        shares=expense.shares,
        can_see_history=Action.SEE_HISTORY.allows(membership.role),
        names=names.people,
        people=people if 1 < len(people) <= MOST_BOXES else {},
        divides=expense.split is None or expense.split.mode == "even",
        category_names=names.categories,
        back_href=month_path(workspace_id, expense.spent_on),
        back_title=figures.month_name(expense.spent_on.year, expense.spent_on.month),
    )


def month_path(workspace_id: UUID, day: date) -> str:
    """The address of the month in which that day is."""
    return f"/w/{workspace_id}/months/{day:%Y-%m}"


def _to_month(request: Request, workspace_id: UUID, expense: Expense, action: str) -> Response:
    response = see_other(month_path(workspace_id, expense.spent_on))
    flash.remember(request, response, path=f"/w/{workspace_id}", done=flash.Done(action, expense.id))
    return response
