"""Balances and settlements as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in, shown
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.idempotency.api import idempotent
from expenses.ledger.api import Cursor, Limit
from expenses.ledger.model import DEFAULT_PAGE_SIZE
from expenses.ledger.wire import Amount, Day
from expenses.money import CURRENCIES
from expenses.openapi import operation_id, problems
from expenses.paging import up_to
from expenses.sharing import service
from expenses.sharing.model import LONGEST_NOTE, CurrencyBalances, SettlementDraft
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}", tags=["sharing"], generate_unique_id_function=operation_id
)

_READ = problems(401, 403, 404)
_MAKE = problems(401, 403, 404, 409)
_WRITE = problems(401, 403, 404, 409, 412)


class BalanceOut(BaseModel):
    """What one person gets back; negative: what they owe."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID
    value: str = Field(examples=["12.50"])


class TransferOut(BaseModel):
    """A payment that would settle something."""

    model_config = ConfigDict(extra="forbid")

    from_user_id: UUID
    to_user_id: UUID
    value: str = Field(examples=["12.50"])


class CurrencyBalancesOut(BaseModel):
    """Who gets back and who owes in one currency. The balances come to zero; whoever is even is left out."""

    model_config = ConfigDict(extra="forbid")

    currency: str = Field(description="ISO 4217 code", examples=["EUR"])
    balances: list[BalanceOut]
    suggestions: list[TransferOut] = Field(
        description="Payments that clear the balances, fewer than there are people; making one leaves the others as "
        "they are"
    )


class BalanceList(BaseModel):
    """Who owes whom, for each currency in which anything is open, in the order of their codes."""

    items: list[CurrencyBalancesOut]
    next: str | None = None


class SettlementOut(BaseModel):
    """One payment between two people."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    from_user_id: UUID
    to_user_id: UUID
    amount: Amount
    paid_on: date
    note: str


class SettlementList(BaseModel):
    """One page of payments, newest day first."""

    items: list[SettlementOut]
    next: str | None = Field(description="Cursor of the next page, null on the last one")


class SettlementIn(BaseModel):
    """A payment to record. It is more than zero; to take one back, delete it."""

    model_config = ConfigDict(extra="forbid")

    from_user_id: UUID = Field(description="Who paid")
    to_user_id: UUID = Field(description="Who got it")
    amount: Amount
    paid_on: Day = Field(description="1900-01-01 to 2199-12-31")
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""

    def draft(self) -> SettlementDraft:
        """What it says. Raises `Invalid`."""
        return SettlementDraft(self.from_user_id, self.to_user_id, self.amount.money(), self.paid_on, self.note)


@router.get(
    "/balances",
    summary="Show who owes whom",
    response_model=BalanceList,
    responses=_READ,
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_balances(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    limit: Annotated[int, up_to(len(CURRENCIES))] = len(CURRENCIES),
    cursor: Cursor = None,
) -> JSONAnswer:
    page = await service.balances_on_page(session, actor=actor, workspace_id=workspace_id, limit=limit, cursor=cursor)
    return JSONAnswer({"items": [_balances(each) for each in page.items], "next": page.next})


@router.get(
    "/settlements",
    summary="List payments between people, newest first",
    response_model=SettlementList,
    responses=_READ,
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_settlements(
    workspace_id: UUID, actor: Caller, session: SessionDep, *, limit: Limit = None, cursor: Cursor = None
) -> JSONAnswer:
    page = await service.list_settlements(
        session, actor=actor, workspace_id=workspace_id, limit=limit or DEFAULT_PAGE_SIZE, cursor=cursor
    )
    return JSONAnswer({"items": [each.snapshot() for each in page.items], "next": page.next})


@router.post(
    "/settlements",
    summary="Record a payment between people",
    status_code=201,
    response_model=SettlementOut,
    responses=_MAKE | {201: ETAG},
    openapi_extra=needs(Action.SETTLE),
)
@idempotent
async def add_settlement(
    workspace_id: UUID, body: SettlementIn, actor: Caller, session: SessionDep, now: Now
) -> JSONAnswer:
    new = await service.add_settlement(session, actor=actor, workspace_id=workspace_id, draft=body.draft(), now=now)
    location = f"/api/v1/workspaces/{workspace_id}/settlements/{new.id}"
    return shown(new.snapshot(), status=201, location=location)


@router.get(
    "/settlements/{settlement_id}",
    summary="Show a payment between people",
    response_model=SettlementOut,
    responses=_READ | {200: ETAG},
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def get_settlement(workspace_id: UUID, settlement_id: UUID, actor: Caller, session: SessionDep) -> JSONAnswer:
    found = await service.get_settlement(session, actor=actor, workspace_id=workspace_id, settlement_id=settlement_id)
    return shown(found.snapshot())


@router.delete(
    "/settlements/{settlement_id}",
    summary="Take a payment between people back",
    status_code=204,
    responses=_WRITE,
    openapi_extra=needs(Action.SETTLE),
)
async def delete_settlement(
    workspace_id: UUID, settlement_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await service.delete_settlement(
        session,
        actor=actor,
        workspace_id=workspace_id,
        settlement_id=settlement_id,
        expected=expected_in(if_match),
        now=now,
    )


def _balances(found: CurrencyBalances) -> dict[str, object]:
    return {
        "currency": found.currency.code,
        "balances": [{"user_id": str(each.user_id), "value": each.amount.decimal_text()} for each in found.balances],
        "suggestions": [
            {
                "from_user_id": str(each.from_user_id),
                "to_user_id": str(each.to_user_id),
                "value": each.amount.decimal_text(),
            }
            for each in found.transfers
        ],
    }
