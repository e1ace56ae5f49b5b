"""The page that says who owes whom, and on which payments between people are recorded and taken back."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import Actor
from expenses.db import Session
from expenses.errors import Invalid, PreconditionFailed
from expenses.http import Now, SessionDep
from expenses.ledger.pages import currencies_in_use, local_day
from expenses.sharing import service
from expenses.sharing.forms import empty_payment, payment_errors, read_payment
from expenses.web import flash
from expenses.web.forms import version_in
from expenses.web.overtaken import STATUS, Overtaken
from expenses.web.page import page, see_other
from expenses.workspaces.member_service import names_of_people
from expenses.workspaces.rights import Action, authorize, needs

router = APIRouter(prefix="/w/{workspace_id:uuid}", include_in_schema=False)

_DONE = {"paid": "Payment recorded.", "takenback": "Payment taken back."}

_UNTAKEN = Overtaken(
    "Not taken back: this payment", "The list at the end has it as it is now. Take it back there if you still want to."
)


@router.get("/balances", openapi_extra=needs(Action.SEE_LEDGER))
async def balances_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID
) -> Response:
    return await _page(request, session, actor, workspace_id, now=now)


@router.post("/settlements", openapi_extra=needs(Action.SETTLE))
async def add_settlement(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields, *, workspace_id: UUID
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SETTLE)
    try:
        draft = read_payment(fields, today=local_day(membership.workspace, now))
        new = await service.add_settlement(session, actor=actor, workspace_id=workspace_id, draft=draft, now=now)
    except Invalid as error:
        return await _page(request, session, actor, workspace_id, form=fields, error=error, now=now)
    return _back(request, workspace_id, new.id, "paid")


@router.post("/settlements/{settlement_id:uuid}/delete", openapi_extra=needs(Action.SETTLE))
async def delete_settlement(
    request: Request,
    session: SessionDep,
    now: Now,
    actor: SignedIn,
    fields: Fields,
    *,
    workspace_id: UUID,
    settlement_id: UUID,
) -> Response:
    key = {"workspace_id": workspace_id, "settlement_id": settlement_id}
    try:
        await service.delete_settlement(session, actor=actor, **key, expected=version_in(fields), now=now)
    except PreconditionFailed:
        return await _page(request, session, actor, workspace_id, overtaken=_UNTAKEN, now=now)
    return _back(request, workspace_id, settlement_id, "takenback")


async def _page(
    request: Request,
    session: Session,
    actor: Actor,
    workspace_id: UUID,
    *,
    form: dict[str, str] | None = None,
    error: Invalid | None = None,
    overtaken: Overtaken | None = None,
    now: Now,
) -> Response:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    workspace = membership.workspace
    today = local_day(workspace, now)
    done = flash.recall(request)
    empty = empty_payment(today=today, currency=workspace.base_currency, from_user_id=actor.user_id)
    response = page(
        request,
        "sharing/balances.html",
        status=STATUS if overtaken else error.status if error else 200,
        actor=actor,
        membership=membership,
        can_write=Action.SETTLE.allows(membership.role),
        names=await names_of_people(session, actor=actor, workspace_id=workspace_id),
        groups=await service.list_balances(session, actor=actor, workspace_id=workspace_id),
        payments=(await service.list_settlements(session, actor=actor, workspace_id=workspace_id)).items,
        currencies=currencies_in_use(today),
        today=today,
        form=empty | (form or {}),
        errors=payment_errors(error) if error else {},
        overtaken=overtaken,
        notice=_DONE.get(done.action) if done else None,
    )
    flash.forget(request, response, path=f"/w/{workspace_id}")
    return response


def _back(request: Request, workspace_id: UUID, settlement_id: UUID, action: str) -> Response:
    response = see_other(f"/w/{workspace_id}/balances")
    flash.remember(request, response, path=f"/w/{workspace_id}", done=flash.Done(action, settlement_id))
    return response
