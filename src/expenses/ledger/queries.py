"""The questions that the ledger asks the database, and what it writes into it. Nothing here commits.

Every statement names the workspace first, also where an id alone would find the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from expenses.db import HotQuery
from expenses.ledger.categories import Category
from expenses.ledger.conversion_queries import conversion_values, converted_in
from expenses.ledger.cursor import PageKey
from expenses.ledger.line_queries import expenses_by_line, line_of, line_values, lines_of, lines_with_expense
from expenses.ledger.model import Expense
from expenses.ledger.search_queries import SEARCH_LIMITS, keys_found
from expenses.ledger.share_queries import share_values, shares_of, shares_with_expense, split_of
from expenses.ledger.tables import category, expense, expense_line, expense_share
from expenses.money import CURRENCIES, Money
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import FromClause, Label, Row, Select

    from expenses.db import Session
    from expenses.ledger.criteria import Criteria
    from expenses.ledger.model import ExpenseFilter
    from expenses.ledger.search_queries import Limits


def _parts_of(rows: FromClause) -> tuple[Label[Any], Label[Any]]:
    return lines_of(rows), shares_of(rows)


# Statements of every request are built once: SQLAlchemy's cache then only has to recognise them.
_EXPENSES = select(expense).where(expense.c.workspace_id == bindparam("workspace_id"))
_EXPENSE_FOR_UPDATE = _EXPENSES.where(expense.c.id == bindparam("expense_id")).with_for_update()
_EXPENSE = _EXPENSES.where(expense.c.id == bindparam("expense_id")).add_columns(*_parts_of(expense))
_NEWEST_FIRST = (expense.c.spent_on.desc(), expense.c.id.desc())
_LIVING = expense.c.deleted_at.is_(None)
_CATEGORIES = select(category).where(category.c.workspace_id == bindparam("workspace_id"))
_CATEGORY_KEY = (category.c.position, category.c.name, category.c.id)
ALL_CATEGORIES = HotQuery(
    _CATEGORIES.order_by(*_CATEGORY_KEY).with_only_columns(
        *(category.c[name] for name in ("id", "parent_id", "name", "color", "position", "archived_at"))
    )
)
"""What every page and report asks; the columns are the fields of a `Category`, in their order."""


async def expenses_on_page(
    session: Session, *, workspace_id: UUID, filters: ExpenseFilter, after: PageKey | None, limit: int
) -> list[Expense]:
    """The newest living expenses that pass the filter and come after a key, one query whatever is asked.

    The cost is that of the rows returned, for a category that of as many rows for each category below it. What else a
    filter may ask for is a search (`expenses_found`) and not looked at here.
    """
    statement = _filtered(_EXPENSES.where(_LIVING), filters)
    if after is not None:
        statement = statement.where(tuple_(expense.c.spent_on, expense.c.id) < tuple_(after.spent_on, after.id))
    if filters.category_id is not None or filters.is_uncategorised:
        statement = _of_category(statement, filters, after, limit)
    else:
        statement = statement.add_columns(*_parts_of(expense)).order_by(*_NEWEST_FIRST)
    rows = await session.execute(statement.limit(limit), {"workspace_id": workspace_id})
    return [_expense(row, *row[-2:]) for row in rows]


async def expenses_found(
    session: Session,
    *,
    workspace_id: UUID,
    criteria: Criteria,
    after: PageKey | None,
    limit: int,
    limits: Limits = SEARCH_LIMITS,
) -> tuple[list[Expense], PageKey | None]:
    """The newest living expenses that fit, and the last one looked at if the search ended before the workspace did.

    One query that reads a bounded number of rows (`search_queries`), so there may be fewer than asked for.
    """
    keys = keys_found(criteria, after=after, limit=limit, limits=limits).subquery()
    statement = select(expense, keys.c.is_match, *_parts_of(expense)).join(keys, expense.c.id == keys.c.id)
    statement = statement.where(expense.c.workspace_id == bindparam("workspace_id"))
    rows = (await session.execute(statement.order_by(*_NEWEST_FIRST), {"workspace_id": workspace_id})).all()
    last = next((PageKey(row.spent_on, row.id) for row in rows if not row.is_match), None)
    return [_expense(row, *row[-2:]) for row in rows if row.is_match], last


async def expense_with_id(
    session: Session, *, workspace_id: UUID, expense_id: UUID, for_update: bool = False
) -> Expense | None:
    """One expense, living or in the trash. `for_update` makes others who want to write it wait for our commit."""
    statement = _EXPENSE_FOR_UPDATE if for_update else _EXPENSE
    row = (await session.execute(statement, {"workspace_id": workspace_id, "expense_id": expense_id})).first()
    if row is None:
        return None
    if not for_update:
        return _expense(row, *row[-2:])
    # Whoever waited for the lock sees the new expense, but with it the lines as they were when the statement began.
    key = {"workspace_id": workspace_id, "expense_id": expense_id}
    lines = await lines_with_expense(session, **key) if row.line_count else None
    shares = await shares_with_expense(session, **key) if row.split_mode else None
    return _expense(row, lines, shares)


async def expenses_with_ids(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> list[Expense]:
    """Those of these that there are, living or in the trash, in no order."""
    statement = _EXPENSES.where(expense.c.id == func.any(list(ids))).add_columns(*_parts_of(expense))
    return [_expense(row, *row[-2:]) for row in await session.execute(statement, {"workspace_id": workspace_id})]


async def insert_expenses(session: Session, *, workspace_id: UUID, new: list[Expense]) -> None:
    """Store new expenses."""
    await session.execute(insert(expense), [{"workspace_id": workspace_id} | expense_values(each) for each in new])
    await _insert_parts(session, workspace_id=workspace_id, new=new)


async def store_expense(session: Session, *, workspace_id: UUID, before: Expense, changed: Expense) -> None:
    """Replace an expense that this transaction has locked."""
    statement = update(expense).where(expense.c.workspace_id == workspace_id, expense.c.id == changed.id)
    await session.execute(statement.values(expense_values(changed)))
    if (changed.lines, changed.split, changed.shares) == (before.lines, before.split, before.shares):
        return
    for table in (expense_line, expense_share):
        old = delete(table).where(table.c.workspace_id == workspace_id, table.c.expense_id == changed.id)
        await session.execute(old)
    await _insert_parts(session, workspace_id=workspace_id, new=[changed])


async def categories_of(
    session: Session,
    *,
    workspace_id: UUID,
    with_archived: bool = True,
    after: tuple[int, str, UUID] | None = None,
    limit: int | None = None,
) -> list[Category]:
    """The categories of a workspace in the order of their positions; those after a key, at most so many."""
    if with_archived and after is None and limit is None:
        return [Category(*row) for row in await ALL_CATEGORIES.rows(session, workspace_id=workspace_id)]
    statement = _CATEGORIES.order_by(*_CATEGORY_KEY).limit(limit)
    if not with_archived:
        statement = statement.where(category.c.archived_at.is_(None))
    if after is not None:
        statement = statement.where(tuple_(*_CATEGORY_KEY) > tuple_(*after))
    rows = await session.execute(statement, {"workspace_id": workspace_id})
    return [_category(row) for row in rows]


async def category_with_id(session: Session, *, workspace_id: UUID, category_id: UUID) -> Category | None:
    """One category, an archived one too."""
    statement = _CATEGORIES.where(category.c.id == category_id)
    row = (await session.execute(statement, {"workspace_id": workspace_id})).first()
    return None if row is None else _category(row)


async def categories_in_use(session: Session, *, workspace_id: UUID, among: Iterable[UUID]) -> set[UUID]:
    """Which of these are categories of this workspace that are not archived."""
    statement = select(category.c.id).where(category.c.workspace_id == workspace_id, category.c.archived_at.is_(None))
    return set((await session.execute(statement.where(category.c.id == func.any(list(among))))).scalars())


async def lock_categories(session: Session, *, workspace_id: UUID) -> None:
    """Make others who want to change categories of this workspace wait for our commit.

    Locks the workspace's row, because locks on categories would not stop a new one. Foreign keys to it do not wait:
    they take `FOR KEY SHARE`, which goes together with `FOR NO KEY UPDATE`.
    """
    statement = select(workspace.c.id).where(workspace.c.id == workspace_id)
    await session.execute(statement.with_for_update(key_share=True))


async def insert_categories(session: Session, *, workspace_id: UUID, new: Iterable[Category]) -> set[UUID]:
    """Store new categories; those that are there already, be it a moment ago, are left alone. Says which were new."""
    values = [{"workspace_id": workspace_id} | _category_values(each) for each in new]
    statement = upsert(category).values(values).on_conflict_do_nothing().returning(category.c.id)
    return set((await session.execute(statement)).scalars())


async def store_category(session: Session, *, workspace_id: UUID, changed: Category) -> None:
    """Replace a category."""
    statement = update(category).where(category.c.workspace_id == workspace_id, category.c.id == changed.id)
    await session.execute(statement.values(_category_values(changed)))


def _filtered(statement: Select[Any], filters: ExpenseFilter) -> Select[Any]:
    if filters.from_day is not None:
        statement = statement.where(expense.c.spent_on >= filters.from_day)
    if filters.to_day is not None:
        statement = statement.where(expense.c.spent_on <= filters.to_day)
    return statement


def _of_category(statement: Select[Any], filters: ExpenseFilter, after: PageKey | None, limit: int) -> Select[Any]:
    """The newest rows of a category and those below it, or of none: as many of each, from its own stretch of the index.

    With `category_id IN (…)` the planner reads all expenses in their order instead, and a category that is hardly
    used costs the whole workspace: 46 ms at 100,000 expenses, this way 0.2 ms. Expenses with lines are found by
    those, in the same way, and once even if several lines fit.
    """
    keys = _filtered(expenses_by_line(filters, after, limit), filters).where(_LIVING)
    if filters.category_id is None:
        # All are null, but only the order by it tells the planner that `expense_category_page_idx` is in our order.
        plain = statement.where(expense.c.category_id.is_(None), expense.c.line_count.is_(None))
        found = select(plain.order_by(expense.c.category_id, *_NEWEST_FIRST).limit(limit).subquery())
        lined = keys.where(expense_line.c.category_id.is_(None)).subquery()
    else:
        plain = statement.where(expense.c.category_id == category.c.id)
        of_each = plain.order_by(*_NEWEST_FIRST).limit(limit).lateral()
        of_lines = keys.where(expense_line.c.category_id == category.c.id).lateral()
        chosen = (
            category.c.workspace_id == bindparam("workspace_id"),
            or_(category.c.id == filters.category_id, category.c.parent_id == filters.category_id),
        )
        found = select(of_each).join_from(category, of_each, true()).where(*chosen)
        lined = select(of_lines).join_from(category, of_lines, true()).where(*chosen).distinct().subquery()
    by_lines = _EXPENSES.join(lined, expense.c.id == lined.c.expense_id)
    rows = found.union_all(by_lines).subquery()
    return select(rows, *_parts_of(rows)).order_by(rows.c.spent_on.desc(), rows.c.id.desc())


async def _insert_parts(session: Session, *, workspace_id: UUID, new: Iterable[Expense]) -> None:
    for table, values_of in ((expense_line, line_values), (expense_share, share_values)):
        if values := [{"workspace_id": workspace_id} | each for expense in new for each in values_of(expense)]:
            await session.execute(insert(table), values)


def _expense(row: Row[Any], lines: Iterable[Sequence[Any]] | None, shares: Iterable[Sequence[Any]] | None) -> Expense:
    # Unpacked: by its name a column takes 0.3 us, and a page has fifty rows.
    _, expense_id, spent_on, minor, code, merchant, category_id, note, tags, payer_id, version, *rest = tuple(row)
    created_by, created_at, updated_at, deleted_at, account_id, _, split_mode, _, _, _, _, base_minor, *_ = rest
    currency = CURRENCIES[code]
    split, divided = split_of(split_mode, shares or (), currency)
    return Expense(
        id=expense_id,
        spent_on=spent_on,
        amount=Money(minor, currency),
        merchant=merchant,
        category_id=category_id,
        note=note,
        tags=tuple(tags),
        payer_id=payer_id,
        version=version,
        created_by=created_by,
        created_at=created_at,
        updated_at=updated_at,
        deleted_at=deleted_at,
        account_id=account_id,
        lines=tuple([line_of(each, currency) for each in lines]) if lines else (),
        split=split,
        shares=divided,
        converted=None if base_minor is None else converted_in(row),
    )


def expense_values(each: Expense) -> dict[str, Any]:
    """The row of an expense, but for the workspace."""
    return {
        "id": each.id,
        "spent_on": each.spent_on,
        "amount_minor": each.amount.minor,
        "currency": each.amount.currency.code,
        "merchant": each.merchant,
        "category_id": each.category_id,
        "note": each.note,
        "tags": list(each.tags),
        "payer_id": each.payer_id,
        "version": each.version,
        "created_by": each.created_by,
        "created_at": each.created_at,
        "updated_at": each.updated_at,
        "deleted_at": each.deleted_at,
        "account_id": each.account_id,
        "line_count": len(each.lines) or None,
        "split_mode": each.split.mode if each.split else None,
        **conversion_values(each.converted),
    }


def _category(row: Row[Any]) -> Category:
    return Category(row.id, row.parent_id, row.name, row.color, row.position, row.archived_at)


def _category_values(each: Category) -> dict[str, Any]:
    return {
        "id": each.id,
        "parent_id": each.parent_id,
        "name": each.name,
        "color": each.color,
        "position": each.position,
        "archived_at": each.archived_at,
    }
