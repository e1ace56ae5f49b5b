"""What expenses were worth in the base currency, as the database holds it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from expenses.ledger.tables import expense
from expenses.money import CURRENCIES, Money
from expenses.rates.model import ConversionChoice, Converted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.db import Session
    from expenses.ledger.model import Expense

_COLUMNS = ("fx_rate", "fx_on", "fx_source", "base_currency", "base_amount_minor")
_NOTHING = dict.fromkeys(_COLUMNS)

_STORE = (
    update(expense)
    .where(expense.c.workspace_id == bindparam("home"), expense.c.id == bindparam("which"))
    .values({name: bindparam(name) for name in (*_COLUMNS, "version", "updated_at")})
)


async def lock_convertible(
    session: Session, *, workspace_id: UUID, base: str, choice: ConversionChoice, after: UUID | None, limit: int
) -> list[UUID]:
    """The next living expenses, by id, that are not in the base currency and fit the choice, locked for us."""
    statement = select(expense.c.id).where(
        expense.c.workspace_id == workspace_id, expense.c.deleted_at.is_(None), expense.c.currency != base
    )
    if not choice.again:
        statement = statement.where(expense.c.base_currency.is_distinct_from(base))
    if choice.currency is not None:
        statement = statement.where(expense.c.currency == choice.currency)
    if choice.from_day is not None:
        statement = statement.where(expense.c.spent_on >= choice.from_day)
    if choice.to_day is not None:
        statement = statement.where(expense.c.spent_on <= choice.to_day)
    if after is not None:
        statement = statement.where(expense.c.id > after)
    return list((await session.execute(statement.order_by(expense.c.id).limit(limit).with_for_update())).scalars())


async def store_conversions(session: Session, *, workspace_id: UUID, changed: Sequence[Expense]) -> None:
    """Write what was converted in expenses that this transaction has locked, and their versions."""
    values = [
        {"home": workspace_id, "which": each.id, "version": each.version, "updated_at": each.updated_at}
        | conversion_values(each.converted)
        for each in changed
    ]
    await session.execute(_STORE, values)


def conversion_values(converted: Converted | None) -> dict[str, Any]:
    """The columns of an expense that say what it was worth."""
    if converted is None:
        return _NOTHING
    return {
        "fx_rate": converted.rate,
        "fx_on": converted.on,
        "fx_source": converted.source,
        "base_currency": converted.amount.currency.code,
        "base_amount_minor": converted.amount.minor,
    }


def converted_in(row: Row[Any]) -> Converted | None:
    """What the expense of this row was worth."""
    if row.base_amount_minor is None:
        return None
    amount = Money(row.base_amount_minor, CURRENCIES[row.base_currency])
    return Converted(amount, row.fx_rate, row.fx_on, row.fx_source)
