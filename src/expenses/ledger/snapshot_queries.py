"""Expenses as the API shows them, written by PostgreSQL: text that goes to the client as it is.

For what is read most: an expense that is neither of several categories nor divided nor converted, alone or on a page of
the newest. An `Expense` for each row, and its `snapshot()`, would cost the application ten times as much as the query.
`Expense.snapshot` says what the JSON is; a test holds the two to the same. Nothing here commits.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, Integer, Text, Uuid, and_, bindparam, case, literal_column, select, tuple_

from expenses.db import HotQuery
from expenses.ledger.tables import expense
from expenses.money import CURRENCIES

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Select

    from expenses.db import Session
    from expenses.ledger.cursor import PageKey
    from expenses.ledger.model import ExpenseFilter


async def shown_on_page(
    session: Session, *, workspace_id: UUID, filters: ExpenseFilter, after: PageKey | None, limit: int
) -> list[str | UUID]:
    """As `queries.expenses_on_page`, each in JSON, or only its id where it is not as plain as that.

    Of the filter only the days are looked at.
    """
    given = asked_for(filters, after)
    rows = await page_query(frozenset(given), limit).rows(session, workspace_id=workspace_id, **given)
    return [text or expense_id for text, expense_id in rows]


def asked_for(filters: ExpenseFilter, after: PageKey | None) -> dict[str, object]:
    """The parameters of `page_of`: those days of the filter and parts of the key that there are."""
    said = {
        "from_day": filters.from_day,
        "to_day": filters.to_day,
        "after_day": after and after.spent_on,
        "after_id": after and after.id,
    }
    return {name: value for name, value in said.items() if value is not None}


async def shown_with_id(session: Session, *, workspace_id: UUID, expense_id: UUID) -> tuple[str, int] | None:
    """A living expense in JSON, and its version; nothing if there is none, or if it is not as plain as that."""
    row = await ONE.first(session, workspace_id=workspace_id, expense_id=expense_id)
    return None if row is None else (row[0], row[1])


def _unit() -> str:
    """A minor unit in major ones, of a number's type and with the currency's digits, so that a product has them too."""
    codes = defaultdict(list)
    for each in CURRENCIES.values():
        codes[each.exponent].append(each.code)
    usual = max(codes, key=lambda digits: len(codes[digits]))
    numbers = {digits: f"0.{'1'.rjust(digits, '0')}" if digits else "1" for digits in codes}
    unusual = [
        f"WHEN currency IN ({', '.join(map(repr, found))}) THEN {numbers[digits]}"
        for digits, found in sorted(codes.items())
        if digits != usual
    ]
    return f"CASE {' '.join(unusual)} ELSE {numbers[usual]} END"


_TEXT = f"""(SELECT row_to_json(shown) FROM (SELECT expense.id, spent_on,
    (SELECT row_to_json(amount) FROM (SELECT (amount_minor * {_unit()})::text AS value, currency) AS amount) AS amount,
    merchant, category_id, note, tags, payer_id, version, account_id,
    '[]'::json AS lines, NULL AS split, '[]'::json AS shares, NULL AS converted) AS shown)::text"""  # noqa: S608 - nothing but our own table of currencies

_is_plain = and_(expense.c.line_count.is_(None), expense.c.split_mode.is_(None), expense.c.base_amount_minor.is_(None))
_text = literal_column(_TEXT, Text)
_living = and_(expense.c.workspace_id == bindparam("workspace_id"), expense.c.deleted_at.is_(None))

ONE = HotQuery(select(_text, expense.c.version).where(_living, expense.c.id == bindparam("expense_id"), _is_plain))
"""One living, plain expense: its text and its version."""


@lru_cache(maxsize=64)
def page_query(given: frozenset[str], most: int) -> HotQuery:
    """As `page_of`, the text of each expense, or its id."""
    return page_of(select(case((_is_plain, _text)), case((~_is_plain, expense.c.id))), given, most)


def page_of(columns: Select[Any], given: frozenset[str], most: int) -> HotQuery:
    """The statement for so many rows of these columns, with these parameters besides the workspace.

    The limit stands in its text: were it a parameter, PostgreSQL would plan anew for each value, which takes as long as
    finding the rows. There are as many statements as a page may have rows; hardly more than one is in use.
    """
    statement = columns.where(_living)
    if "from_day" in given:
        statement = statement.where(expense.c.spent_on >= bindparam("from_day"))
    if "to_day" in given:
        statement = statement.where(expense.c.spent_on <= bindparam("to_day"))
    if "after_id" in given:
        key = tuple_(bindparam("after_day", type_=Date), bindparam("after_id", type_=Uuid))
        statement = statement.where(tuple_(expense.c.spent_on, expense.c.id) < key)
    in_order = statement.order_by(expense.c.spent_on.desc(), expense.c.id.desc())
    return HotQuery(in_order.limit(literal_column(str(int(most)), Integer)))
