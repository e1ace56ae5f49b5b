"""Converting expenses, as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from expenses.accounts.auth import Caller
from expenses.http import Now, SessionDep
from expenses.ledger import service
from expenses.openapi import operation_id, problems
from expenses.rates.model import ConversionChoice
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}", tags=["ledger"], generate_unique_id_function=operation_id
)

Cursor = Annotated[str | None, Query(description="`next` of the answer before, with the same choice")]
Code = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["USD"])]


class Conversions(BaseModel):
    """What became of the expenses that were not converted."""

    converted: int
    not_converted: int = Field(description="For these there is no rate; what they were converted to before stays")
    next: str | None = Field(description="Send it as `cursor` to go on; null when all were looked at")


@router.post(
    "/expenses/convert",
    summary="Convert what is not converted",
    description="Looks at up to 500 expenses that are neither in the base currency nor converted into it. What is "
    "converted already stays as it is, unless you say `again`: that is how a wrong rate is mended, once corrected. "
    "`currency`, `from` and `to` say which expenses.",
    responses=problems(401, 403, 404, 409),
    openapi_extra=needs(Action.CHANGE_EXPENSES),
)
async def convert_expenses(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    now: Now,
    *,
    again: Annotated[bool, Query(description="Convert anew what is converted already")] = False,
    currency: Annotated[Code | None, Query(description="Only expenses in this currency")] = None,
    from_day: Annotated[date | None, Query(alias="from", description="First day, inclusive")] = None,
    to_day: Annotated[date | None, Query(alias="to", description="Last day, inclusive")] = None,
    cursor: Cursor = None,
) -> Conversions:
    converted, rest, following = await service.convert_expenses(
        session,
        actor=actor,
        workspace_id=workspace_id,
        choice=ConversionChoice(again=again, currency=currency, from_day=from_day, to_day=to_day),
        cursor=cursor,
        now=now,
    )
    return Conversions(converted=converted, not_converted=rest, next=following)
