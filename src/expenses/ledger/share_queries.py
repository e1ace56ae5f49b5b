"""The part of `ledger.queries` that knows how shares are stored. Looked at only where an expense is divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from expenses.ledger.splits import Part, Share, Split
from expenses.ledger.tables import expense_share
from expenses.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import FromClause, Label

    from expenses.db import Session
    from expenses.ledger.model import Expense
    from expenses.ledger.splits import Mode
    from expenses.money import Currency

_COLUMNS = (expense_share.c.user_id, expense_share.c.amount_minor, expense_share.c.weight)
_SHARES = (
    select(*_COLUMNS)
    .where(
        expense_share.c.workspace_id == bindparam("workspace_id"), expense_share.c.expense_id == bindparam("expense_id")
    )
    .order_by(expense_share.c.user_id)
)


def shares_of(rows: FromClause) -> Label[Any]:
    """A column `shares` for a query of these expenses: null, without a look at the shares, where nothing is divided."""
    in_order = aggregate_order_by(func.json_build_array(*_COLUMNS), expense_share.c.user_id)
    found = (
        select(func.json_agg(in_order, type_=JSON))
        .where(expense_share.c.workspace_id == rows.c.workspace_id, expense_share.c.expense_id == rows.c.id)
        .correlate(rows)
        .scalar_subquery()
    )
    return case((rows.c.split_mode.is_not(None), found)).label("shares")


async def shares_with_expense(session: Session, *, workspace_id: UUID, expense_id: UUID) -> Sequence[Sequence[Any]]:
    """The shares of one expense, as `split_of` takes them."""
    return (await session.execute(_SHARES, {"workspace_id": workspace_id, "expense_id": expense_id})).all()


def split_of(
    mode: Mode | None, rows: Iterable[Sequence[Any]], currency: Currency
) -> tuple[Split | None, tuple[Share, ...]]:
    """How an expense is divided and what that came to, as the database tells it, be it as rows or as JSON."""
    if mode is None:
        return None, ()
    parts, shares = [], []
    for user, minor, weight in rows:
        user_id = UUID(user) if isinstance(user, str) else user
        parts.append(Part(user_id, minor if mode == "exact" else weight))
        shares.append(Share(user_id, Money(minor, currency)))
    return Split(mode, tuple(parts), currency if mode == "exact" else None), tuple(shares)


def share_values(each: Expense) -> list[dict[str, Any]]:
    """The rows for the shares of an expense, but for the workspace."""
    if each.split is None:
        return []
    weights = {part.user_id: None if each.split.mode == "exact" else part.value for part in each.split.parts}
    return [
        {
            "expense_id": each.id,
            "user_id": share.user_id,
            "amount_minor": share.amount.minor,
            "weight": weights[share.user_id],
        }
        for share in each.shares
    ]
