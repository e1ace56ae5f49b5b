"""Exchange rates as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from expenses.accounts.auth import Caller
from expenses.etags import ETAG, IfMatch, expected_in, shown
from expenses.http import JSONAnswer, Now, SessionDep
from expenses.openapi import operation_id, problems
from expenses.rates import service
from expenses.rates.model import BY_HAND, LONGEST_SOURCE, Rate, parse_rate
from expenses.rates.service import LARGEST_FILE
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}/rates", tags=["rates"], generate_unique_id_function=operation_id
)

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 500
"""Rates on one page; they are short."""

_READ = problems(401, 403, 404)
_WRITE = problems(401, 403, 404, 409, 412)

Code = Annotated[str, Field(description="ISO 4217 code", examples=["EUR"], pattern="^[A-Z]{3}$")]
Source = Annotated[str, Field(max_length=LONGEST_SOURCE, description="Where the rate is from")]
Limit = Annotated[
    int, Query(ge=1, le=LARGEST_PAGE_SIZE, description=f"Rows on one page; {DEFAULT_PAGE_SIZE} if missing")
]


class RateOut(BaseModel):
    """On a day, one unit of `base` was worth `rate` units of `quote`."""

    model_config = ConfigDict(extra="forbid")

    base: str = Field(examples=["EUR"])
    quote: str = Field(examples=["USD"])
    on: date
    rate: str = Field(examples=["1.0843"])
    source: str


class RateList(BaseModel):
    """One page of rates: by pair from Z to A, the newest of each first."""

    items: list[RateOut]
    next: str | None = Field(description="Cursor of the next page, null on the last one")


class RateIn(BaseModel):
    """What one unit of the first currency is worth in the second."""

    model_config = ConfigDict(extra="forbid")

    rate: str = Field(description="At most 12 digits before and 12 after the decimal point", examples=["1.0843"])
    source: Source = BY_HAND


class Loaded(BaseModel):
    """What a file held."""

    rates: int = Field(description="How many rates were in it")
    changed: int = Field(description="How many of them were new, or others than before; by hand ones stay")


@router.get(
    "", summary="List exchange rates", response_model=RateList, responses=_READ, openapi_extra=needs(Action.SEE_LEDGER)
)
async def list_rates(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    *,
    base: Annotated[Code | None, Query()] = None,
    quote: Annotated[Code | None, Query()] = None,
    from_day: Annotated[date | None, Query(alias="from", description="First day, inclusive")] = None,
    to_day: Annotated[date | None, Query(alias="to", description="Last day, inclusive")] = None,
    limit: Limit = DEFAULT_PAGE_SIZE,
    cursor: Annotated[str | None, Query(description="`next` of the page before, with the same filter")] = None,
) -> JSONAnswer:
    items, following = await service.list_rates(
        session,
        actor=actor,
        workspace_id=workspace_id,
        pair=(base, quote),
        days=(from_day, to_day),
        limit=limit,
        cursor=cursor,
    )
    return JSONAnswer({"items": [each.snapshot() for each in items], "next": following})


@router.get(
    "/{base}/{quote}/{on}",
    summary="Show an exchange rate",
    response_model=RateOut,
    responses=_READ | {200: ETAG},
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def get_rate(
    workspace_id: UUID, base: Code, quote: Code, on: date, *, actor: Caller, session: SessionDep
) -> JSONAnswer:
    found = await service.get_rate(session, actor=actor, workspace_id=workspace_id, base=base, quote=quote, on=on)
    return shown(found.snapshot())


@router.put(
    "/{base}/{quote}/{on}",
    summary="Enter an exchange rate",
    response_model=RateOut,
    responses=_WRITE | {200: ETAG},
    openapi_extra=needs(Action.CHANGE_RATES),
)
async def put_rate(
    workspace_id: UUID,
    base: Code,
    quote: Code,
    on: date,
    *,
    body: RateIn,
    actor: Caller,
    session: SessionDep,
    now: Now,
    if_match: IfMatch = None,
) -> JSONAnswer:
    rate = Rate(workspace_id, base, quote, on, parse_rate(body.rate), body.source)
    stored = await service.put_rate(session, actor=actor, rate=rate, expected=expected_in(if_match), now=now)
    return shown(stored.snapshot())


@router.delete(
    "/{base}/{quote}/{on}",
    summary="Delete an exchange rate",
    status_code=204,
    responses=problems(401, 403, 404, 412),
    openapi_extra=needs(Action.CHANGE_RATES),
)
async def delete_rate(
    workspace_id: UUID,
    base: Code,
    quote: Code,
    on: date,
    *,
    actor: Caller,
    session: SessionDep,
    now: Now,
    if_match: IfMatch = None,
) -> None:
    await service.delete_rate(
        session,
        actor=actor,
        workspace_id=workspace_id,
        base=base,
        quote=quote,
        on=on,
        expected=expected_in(if_match),
        now=now,
    )


@router.post(
    "/load",
    summary="Load a file of exchange rates",
    description="A file in the CSV format of the European Central Bank (`eurofxref-hist.csv`). All or nothing; rates "
    "that were entered by hand stay as they are.",
    responses=problems(401, 403, 404, 413),
    openapi_extra=needs(Action.CHANGE_RATES)
    | {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def load_rates(
    workspace_id: UUID,
    request: Request,
    actor: Caller,
    session: SessionDep,
    *,
    now: Now,
    source: Annotated[Source, Query()] = "ECB",
) -> Loaded:
    rates, changed = await service.upload_rates(
        session, actor=actor, workspace_id=workspace_id, content=await _body(request), source=source, now=now
    )
    return Loaded(rates=rates, changed=changed)


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_FILE:
            break  # the service refuses it; no more of it is kept
    return bytes(content)
