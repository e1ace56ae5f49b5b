"""Reports as JSON. Without `from __future__ import annotations`: FastAPI reads the annotations."""

from datetime import date
from json import JSONEncoder
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from expenses.accounts.auth import Caller
from expenses.http import JSONText, SessionDep
from expenses.ledger.wire import Amount
from expenses.money import CURRENCIES, Money, decimal_text
from expenses.openapi import operation_id, problems
from expenses.reports import service
from expenses.reports.model import CategoryTotals, MinorByCode, Month, MonthReport
from expenses.workspaces.rights import Action, needs

router = APIRouter(
    prefix="/api/v1/workspaces/{workspace_id}/reports", tags=["reports"], generate_unique_id_function=operation_id
)

Totals = Annotated[list[Amount], Field(description="One amount for each currency, by code; refunds are subtracted")]


class SubcategoryOut(BaseModel):
    """What a category of the lower level comes to."""

    id: UUID
    name: str
    color: str
    totals: Totals


class CategoryTotalsOut(BaseModel):
    """What a category comes to: `totals` is `own` and the `totals` of its `children` together."""

    id: UUID | None = Field(description="null for what has no category")
    name: str
    color: str
    totals: Totals
    own: Totals
    children: list[SubcategoryOut]


class DayTotalsOut(BaseModel):
    """What a day comes to."""

    day: date
    totals: Totals


class NotConvertedOut(BaseModel):
    """What is missing in a total because nobody knows a rate."""

    count: int = Field(description="Number of expenses")
    totals: Totals


class InBaseOut(BaseModel):
    """What there is in the base currency, each expense converted at the rate that is frozen on it."""

    total: Amount
    not_converted: NotConvertedOut


class MonthReportOut(BaseModel):
    """What a month comes to, never mixing currencies. What nothing was spent in or on is left out."""

    month: str = Field(examples=["2026-11"])
    count: int = Field(description="Number of expenses")
    totals: Totals
    categories: list[CategoryTotalsOut] = Field(description="Upper level; what has no category comes last")
    days: list[DayTotalsOut]
    in_base_currency: InBaseOut


@router.get(
    "/monthly",
    summary="Add up a month",
    response_model=MonthReportOut,
    responses=problems(401, 403, 404),
    openapi_extra=needs(Action.SEE_LEDGER),
)
async def get_monthly_report(
    workspace_id: UUID,
    actor: Caller,
    session: SessionDep,
    month: Annotated[
        str,
        Query(
            examples=["2026-11"], description="1900-01 to 2199-12", json_schema_extra={"pattern": "^[0-9]{4}-[0-9]{2}$"}
        ),
    ],
) -> JSONText:
    report = await service.monthly(session, actor=actor, workspace_id=workspace_id, month=Month.parse(month))
    return JSONText(_report_text(report))


# What the models above describe, written without them: they would take longer than the database. And as text at once:
# a full month has hundreds of amounts, and as dictionaries for Pydantic's serializer they take half as long again.

_quoted = JSONEncoder(ensure_ascii=False).encode


def _report_text(report: MonthReport) -> str:
    in_base = report.in_base
    categories = ",".join([_category_text(each) for each in report.categories])
    days = ",".join([f'{{"day":"{each.day}","totals":{_amounts(each.totals)}}}' for each in report.days])
    total = _moneys((in_base.total,))[1:-1]
    not_converted = f'{{"count":{in_base.not_converted_count},"totals":{_moneys(in_base.not_converted)}}}'
    return (
        f'{{"month":"{report.month}","count":{report.count},"totals":{_moneys(report.totals)},'
        f'"categories":[{categories}],"days":[{days}],'
        f'"in_base_currency":{{"total":{total},"not_converted":{not_converted}}}}}'
    )


def _category_text(each: CategoryTotals) -> str:
    totals = _amounts(each.totals)
    own = totals if each.own is each.totals else _amounts(each.own)
    children = ",".join([f'{_named(child)},"totals":{_amounts(child.totals)}}}' for child in each.children])
    return f'{_named(each)},"totals":{totals},"own":{own},"children":[{children}]}}'


def _named(each: CategoryTotals) -> str:
    """The beginning of a category's object."""
    key = f'"{each.id}"' if each.id else "null"
    return f'{{"id":{key},"name":{_quoted(each.name)},"color":"{each.color}"'


def _moneys(totals: tuple[Money, ...]) -> str:
    return _amounts({each.currency.code: each.minor for each in totals})


def _amounts(totals: MinorByCode) -> str:
    found = [
        f'{{"value":"{decimal_text(minor, CURRENCIES[code])}","currency":"{code}"}}' for code, minor in totals.items()
    ]
    return f"[{','.join(found)}]"
