"""Payment accounts as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in, shown
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.idempotency.api import idempotent
from expenses.openapi import operation_id, problems
from expenses.paging import Cursor, up_to
from expenses.payments import service
from expenses.payments.model import LONGEST_NAME, MOST_ACCOUNTS, Kind
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}/payment-accounts",
    tags=["payment accounts"],
    generate_unique_id_function=operation_id,
)

_READ = problems(401, 403, 404)
_MAKE = problems(401, 403, 404, 409)
_WRITE = problems(401, 403, 404, 409, 412)

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, examples=["Joint card"])]
Currency = Annotated[str | None, Field(description="ISO 4217 code; forms suggest it", examples=["EUR"])]


class PaymentAccountOut(BaseModel):
    """What expenses are paid from."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    name: str
    kind: Kind
    currency: Currency
    is_archived: bool = Field(description="Keeps its expenses, takes no new ones")


class PaymentAccountList(BaseModel):
    """A page of the payment accounts of a workspace, by name."""

    items: list[PaymentAccountOut]
    next: str | None = None


class PaymentAccountIn(BaseModel):
    """A payment account to make."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Kind = "other"
    currency: Currency = None


class PaymentAccountPatch(BaseModel):
    """What shall be different; fields that are missing stay as they are, a currency of null is taken away."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=str)
    kind: Kind = Field(default_factory=lambda: "other")
    currency: Currency = None


@router.get(
    "",
    summary="List payment accounts",
    response_model=PaymentAccountList,
    responses=_READ,
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def list_accounts(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    archived: Annotated[bool, Query(description="Archived ones too")] = False,
    limit: Annotated[int, up_to(MOST_ACCOUNTS)] = MOST_ACCOUNTS,
    cursor: Cursor = None,
) -> JSONAnswer:
    page = await service.accounts_on_page(
        session, actor=actor, workspace_id=workspace_id, with_archived=archived, limit=limit, cursor=cursor
    )
    return JSONAnswer({"items": [each.snapshot() for each in page.items], "next": page.next})


@router.post(
    "",
    summary="Make a payment account",
    status_code=201,
    response_model=PaymentAccountOut,
    responses=_MAKE | {201: ETAG},
    openapi_extra=needs(Action.CHANGE_ACCOUNTS),
)
@idempotent
async def add_account(
    workspace_id: UUID, body: PaymentAccountIn, actor: Caller, session: SessionDep, now: Now
) -> JSONAnswer:
    new = await service.add_account(
        session, actor=actor, workspace_id=workspace_id, name=body.name, kind=body.kind, currency=body.currency, now=now
    )
    return shown(new.snapshot(), status=201, location=f"/api/v1/workspaces/{workspace_id}/payment-accounts/{new.id}")


@router.get(
    "/{account_id}",
    summary="Show a payment account",
    response_model=PaymentAccountOut,
    responses=_READ | {200: ETAG},
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def get_account(workspace_id: UUID, account_id: UUID, actor: Caller, session: SessionDep) -> JSONAnswer:
    found = await service.get_account(session, actor=actor, workspace_id=workspace_id, account_id=account_id)
    return shown(found.snapshot())


@router.patch(
    "/{account_id}",
    summary="Change a payment account",
    response_model=PaymentAccountOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_ACCOUNTS),
)
async def change_account(
    workspace_id: UUID,
    account_id: UUID,
    body: PaymentAccountPatch,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    if_match: IfMatch = None,
) -> JSONAnswer:
    said = body.model_fields_set
    changed = await service.change_account(
        session,
        actor=actor,
        workspace_id=workspace_id,
        account_id=account_id,
        name=body.name if "name" in said else None,
        kind=body.kind if "kind" in said else None,
        currency=(body.currency or "") if "currency" in said else None,
        expected=expected_in(if_match),
        now=now,
    )
    return shown(changed.snapshot())


@router.delete(
    "/{account_id}",
    summary="Archive a payment account",
    status_code=204,
    responses=_WRITE,
    openapi_extra=needs(Action.CHANGE_ACCOUNTS),
)
async def archive_account(
    workspace_id: UUID, account_id: UUID, actor: Caller, session: SessionDep, *, now: Now, if_match: IfMatch = None
) -> None:
    await service.archive_account(
        session,
        actor=actor,
        workspace_id=workspace_id,
        account_id=account_id,
        expected=expected_in(if_match),
        now=now,
    )
