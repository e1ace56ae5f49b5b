"""Which merchants a workspace's expenses have. Nothing here commits.

There is no table of merchants: it would cost every write a row that all who buy in the same shop fight over. Instead
`expense_merchant_idx` has all names in order, so that those with a beginning are found by leaping from one to the next,
`expense_search_idx` finds those with a text inside, and the newest expenses are simply looked at. All three are
bounded, whatever the number of expenses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, select, text

from expenses.ledger.tables import expense, merchant_key, workspace_expense
from expenses.merchants.model import Merchant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy import Row, TextClause

    from expenses.db import Session

NEWEST: Final = 500
"""Newest expenses that are looked at: what one buys often is among them."""

MOST_FOUND: Final = 500
"""Expenses that the index of texts may find."""

FREQUENT: Final = 25
"""Of the newest expenses: a text that so many of their merchants have is not looked for in the index of texts, which
would go through every expense that has it (0.3 s for half of a million). Those merchants are among the newest."""

_RECENT: Final = """
    SELECT DISTINCT lower(merchant) AS name FROM newest WHERE merchant ILIKE :pattern"""
_BEGINNING: Final = """
    SELECT name FROM (
        WITH RECURSIVE leap(name) AS (
            (SELECT lower(merchant) FROM workspace_expense
             WHERE workspace_id = :workspace_id AND deleted_at IS NULL
             AND lower(merchant) ~>=~ :first AND lower(merchant) ~<~ :beyond
             ORDER BY lower(merchant) USING ~<~ LIMIT 1)
            UNION ALL
            SELECT (SELECT lower(merchant) FROM workspace_expense
                    WHERE workspace_id = :workspace_id AND deleted_at IS NULL
                    AND lower(merchant) ~>~ leap.name AND lower(merchant) ~<~ :beyond
                    ORDER BY lower(merchant) USING ~<~ LIMIT 1)
            FROM leap WHERE leap.name IS NOT NULL
        )
        SELECT name FROM leap WHERE name IS NOT NULL LIMIT :limit
    ) AS beginning"""
_CONTAINING: Final = """
    SELECT DISTINCT lower(merchant) AS name
    FROM (SELECT merchant FROM workspace_expense
          WHERE workspace_id = :workspace_id AND deleted_at IS NULL
          AND expense_text(merchant, note, tags) ILIKE :pattern AND merchant ILIKE :pattern
          AND (SELECT count(*) FROM newest WHERE merchant ILIKE :pattern) < :frequent
          LIMIT :most_found) AS found"""
_LATEST: Final = """
    WITH newest AS MATERIALIZED (
        SELECT merchant FROM expense WHERE workspace_id = :workspace_id AND deleted_at IS NULL
        ORDER BY spent_on DESC, id DESC LIMIT :newest
    )
    SELECT latest.* FROM ({names}) AS names
    CROSS JOIN LATERAL (
        SELECT merchant, spent_on, category_id, currency, account_id FROM workspace_expense
        WHERE workspace_id = :workspace_id AND deleted_at IS NULL AND lower(merchant) = names.name
        ORDER BY spent_on DESC, id DESC LIMIT 1
    ) AS latest
    ORDER BY starts_with(lower(merchant), :first) DESC, spent_on DESC, merchant LIMIT :limit"""


def _suggestions(*sources: str) -> TextClause:
    statement = text(_LATEST.format(names=" UNION ".join(f"({source})" for source in sources)))
    return statement.bindparams(bindparam("workspace_id", type_=expense.c.workspace_id.type))


_OF_NOTHING = _suggestions(_RECENT)
_OF_LITTLE = _suggestions(_RECENT, _BEGINNING)
_OF_A_WORD = _suggestions(_RECENT, _BEGINNING, _CONTAINING)


async def merchants_like(
    session: Session, *, workspace_id: UUID, q: str, is_indexed: bool, limit: int
) -> list[Merchant]:
    """Merchants with this text in their name, in any case: those that begin with it first, then the latest used."""
    escaped = q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    first = q.lower()
    values = {
        "workspace_id": workspace_id,
        "pattern": f"%{escaped}%",
        "first": first,
        "newest": NEWEST,
        "limit": limit,
    }
    statement = _OF_NOTHING
    if q:
        statement = _OF_A_WORD if is_indexed else _OF_LITTLE
        values["beyond"] = first + "\U0010ffff"
        values |= {"most_found": MOST_FOUND, "frequent": FREQUENT} if is_indexed else {}
    rows = await session.execute(statement, values)
    return [_merchant(row) for row in rows]


_BY_NAME: Final = text(
    """
    WITH RECURSIVE leap(name) AS (
        (SELECT lower(merchant) FROM workspace_expense
         WHERE workspace_id = :workspace_id AND deleted_at IS NULL AND lower(merchant) ~>~ :after
         ORDER BY lower(merchant) USING ~<~ LIMIT 1)
        UNION ALL
        SELECT (SELECT lower(merchant) FROM workspace_expense
                WHERE workspace_id = :workspace_id AND deleted_at IS NULL AND lower(merchant) ~>~ leap.name
                ORDER BY lower(merchant) USING ~<~ LIMIT 1)
        FROM leap WHERE leap.name IS NOT NULL
    )
    SELECT names.name AS key, latest.* FROM (SELECT name FROM leap WHERE name IS NOT NULL LIMIT :limit) AS names
    CROSS JOIN LATERAL (
        SELECT merchant, spent_on, category_id, currency, account_id FROM workspace_expense
        WHERE workspace_id = :workspace_id AND deleted_at IS NULL AND lower(merchant) = names.name
        ORDER BY spent_on DESC, id DESC LIMIT 1
    ) AS latest
    ORDER BY names.name USING ~<~"""
).bindparams(bindparam("workspace_id", type_=expense.c.workspace_id.type))


async def merchants_by_name(
    session: Session, *, workspace_id: UUID, after: str, limit: int
) -> list[tuple[str, Merchant]]:
    """All merchants in the order of their names in small letters, by characters; those after such a name.

    Each with its name in small letters. Leaps from one to the next, whatever the number of expenses.
    """
    rows = await session.execute(_BY_NAME, {"workspace_id": workspace_id, "after": after, "limit": limit})
    return [(row.key, _merchant(row)) for row in rows]


async def expenses_of_merchants(
    session: Session, *, workspace_id: UUID, names: Iterable[str], but: str, limit: int
) -> list[UUID]:
    """The ids of living expenses whose merchant has one of these names in whatever case, and is not spelled `but`."""
    its = workspace_expense.c
    statement = select(its.id).where(its.workspace_id == workspace_id, its.deleted_at.is_(None))
    keys = [func.lower(name) for name in names]
    statement = statement.where(merchant_key(workspace_expense).in_(keys), its.merchant != but)
    return list((await session.execute(statement.limit(limit))).scalars())


def _merchant(row: Row[Any]) -> Merchant:
    return Merchant(row.merchant, row.spent_on, row.category_id, row.currency, row.account_id)
