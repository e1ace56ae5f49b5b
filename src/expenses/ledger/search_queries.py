"""Where in a workspace the expenses are that fit some criteria: the hard half of a search, as one SELECT of keys.

Newest first by keyset and text found by an index do not go together: the page's index knows the order, the index of
texts knows the matches. So a search has up to three steps in one statement, and a step that is not needed costs nothing
(PostgreSQL evaluates the condition of each once, before it begins):

1. *near*: go through the newest `NEAR` expenses in their order. Whatever is frequent or recent ends here.
2. *candidates*: ask the indexes (`expense_search_idx`, `expense_amount_idx`) for what fits, in no order, and sort that.
   Whatever is rare ends here, and what does not occur at all reads no expense.
3. *far*: there are more than `MOST_CANDIDATES`, or no index knows what is asked for (two letters, only things that are
   *not* wanted). Go through `FAR` expenses in their order, and say how far that was: the next page begins there.

So no search reads more than a bounded number of rows, and a page may be shorter than it could be, even empty, and
still have a following one. Measured (docs/decisions, "Search").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    CHAR,
    Date,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from expenses.ledger.conditions import (
    EXPONENTS,
    Amounts,
    HasTag,
    HasText,
    InCategories,
    InCurrency,
    Is,
    NotConverted,
    PaidBy,
    PaidFrom,
)
from expenses.ledger.criteria import Criteria
from expenses.ledger.tables import expense, expense_line, expense_text, workspace_expense

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from sqlalchemy import ColumnElement, FromClause, Select
    from sqlalchemy.sql.selectable import CTE, CompoundSelect

    from expenses.db import Session
    from expenses.ledger.conditions import Condition
    from expenses.ledger.cursor import PageKey

NEAR: Final = 2_000
"""Newest expenses that are looked at one by one: 2 ms. What one expense in forty has, fills a page with that."""

MOST_CANDIDATES: Final = 20_000
"""Expenses that an index may find and that are then sorted: 0.1 s."""

FAR: Final = 20_000
"""Expenses that are looked at one by one where no index helps: 30 ms. The page's `next` goes on behind them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one search may look at; tests take smaller ones."""

    near: int = NEAR
    candidates: int = MOST_CANDIDATES
    far: int = FAR


SEARCH_LIMITS: Final = Limits()


def keys_found(
    criteria: Criteria, *, after: PageKey | None, limit: int, limits: Limits
) -> CompoundSelect[tuple[Any, ...]]:
    """Ids of the newest living expenses that fit, with `is_match`, for the parameter `workspace_id`.

    One row that is no match is the last one that was looked at, if there may be more behind it.
    """
    living = _living(criteria, after)
    near = _walked(living, criteria, limits.near, limit).cte("near").prefix_with("MATERIALIZED", dialect="postgresql")
    is_done = select(or_(_count(near) >= limit, not_(_reaches(living, limits.near))).label("is_done"))
    state = is_done.cte("state").prefix_with("MATERIALIZED", dialect="postgresql")
    done = select(state.c.is_done).scalar_subquery()
    parts = [select(near.c.id, true().label("is_match")).where(done)]
    goes_far: ColumnElement[bool] = not_(done)
    if criteria.indexed:
        candidates = (
            _candidates(_living(criteria, after, workspace_expense), criteria, limits.candidates)
            .where(not_(done))
            .cte("candidates")
        )
        candidates = candidates.prefix_with("MATERIALIZED", dialect="postgresql")
        few = select(candidates.c.id, candidates.c.spent_on).where(
            candidates.c.fits, _count(candidates) <= limits.candidates
        )
        newest = few.order_by(candidates.c.spent_on.desc(), candidates.c.id.desc()).limit(limit).subquery()
        parts.append(select(newest.c.id, true()))
        goes_far = and_(goes_far, _count(candidates) > limits.candidates)
    far = _walked(living, criteria, limits.far, limit, when=goes_far).cte("far")
    far = far.prefix_with("MATERIALIZED", dialect="postgresql")
    last = _last(living, limits.far).where(goes_far, _count(far) < limit).subquery()
    return union_all(*parts, select(far.c.id, true()), select(last.c.id, false()))


async def tags_in_use(
    session: Session, *, workspace_id: UUID, among: int, limit: int, after: tuple[int, str] | None = None
) -> list[tuple[str, int]]:
    """The tags of that many newest living expenses, each with the number of those that have it, most used first.

    Those after a number and a tag. Adds them all up for each page: nothing keeps their numbers.
    """
    living = _living(Criteria(), None).with_only_columns(expense.c.tags)
    tag = func.unnest(_in_order(living).limit(among).subquery().c.tags).label("tag")
    tags = select(tag).subquery()
    statement = select(tags.c.tag, func.count().label("count")).group_by(tags.c.tag)
    statement = statement.order_by(func.count().desc(), tags.c.tag).limit(limit)
    if after is not None:
        number, last = after
        statement = statement.having((func.count() < number) | ((func.count() == number) & (tags.c.tag > last)))
    rows = await session.execute(statement, {"workspace_id": workspace_id})
    return [(row.tag, row[1]) for row in rows]


def _living(criteria: Criteria, after: PageKey | None, row: FromClause = expense) -> Select[Any]:
    statement = select(row).where(row.c.workspace_id == bindparam("workspace_id"), row.c.deleted_at.is_(None))
    if criteria.from_day is not None:
        statement = statement.where(row.c.spent_on >= criteria.from_day)
    if criteria.to_day is not None:
        statement = statement.where(row.c.spent_on <= criteria.to_day)
    if after is not None:
        statement = statement.where(
            tuple_(row.c.spent_on, row.c.id) < tuple_(literal(after.spent_on, Date()), literal(after.id, Uuid()))
        )
    return statement


def _in_order(living: Select[Any]) -> Select[Any]:
    return living.order_by(expense.c.spent_on.desc(), expense.c.id.desc())


def _walked(
    living: Select[Any], criteria: Criteria, steps: int, limit: int, *, when: ColumnElement[bool] | None = None
) -> Select[Any]:
    seen = _in_order(living).limit(steps).subquery()
    fits = _all_hold(criteria.wanted, seen) + [_fails(each, seen) for each in criteria.unwanted]
    statement = select(seen.c.id, seen.c.spent_on).where(*fits, *([] if when is None else [when]))
    return statement.order_by(seen.c.spent_on.desc(), seen.c.id.desc()).limit(limit)


def _reaches(living: Select[Any], steps: int) -> ColumnElement[bool]:
    """Whether there are more expenses than that."""
    return exists(_in_order(living.with_only_columns(literal(1))).offset(steps).limit(1))


def _last(living: Select[Any], steps: int) -> Select[Any]:
    """The last one that a walk of so many steps sees, if it does not see them all."""
    ids = living.with_only_columns(expense.c.id, expense.c.spent_on)
    two = _in_order(ids).offset(steps - 1).limit(2).subquery()
    is_followed = select(func.count()).select_from(two).scalar_subquery() == 2
    newest = select(two.c.id).order_by(two.c.spent_on.desc(), two.c.id.desc()).limit(1).subquery()
    return select(newest.c.id).where(is_followed)


def _candidates(living: Select[Any], criteria: Criteria, most: int) -> Select[Any]:
    """What the indexes find, one more than may be, and whether the rest of the criteria holds too."""
    row = workspace_expense
    rest = [_holds(each, row) for each in criteria.wanted if not each.is_indexed]
    rest += [_fails(each, row) for each in criteria.unwanted]
    statement = living.with_only_columns(row.c.id, row.c.spent_on, and_(true(), *rest).label("fits"))
    return statement.where(*_all_hold(criteria.indexed, row)).limit(most + 1)


def _count(of: CTE) -> ColumnElement[int]:
    return select(func.count()).select_from(of).scalar_subquery()


def _all_hold(conditions: Iterable[Condition], row: FromClause) -> list[ColumnElement[bool]]:
    """Each of these conditions; those on the amount as one, since of two PostgreSQL asks the index for one only."""
    amounts = [each for each in conditions if isinstance(each, Amounts)]
    others = [_holds(each, row) for each in conditions if not isinstance(each, Amounts)]
    return [*others, _amounts(amounts, row)] if amounts else others


def _fails(condition: Condition, row: FromClause) -> ColumnElement[bool]:
    """The opposite, which holds too for what has no category or no payer."""
    return not_(func.coalesce(_holds(condition, row), false()))


def _holds(condition: Condition, row: FromClause) -> ColumnElement[bool]:  # noqa: PLR0911 - one line for each kind
    """One condition about a row of `expense`, as an index can use it."""
    match condition:
        case HasText():
            return _has_text(condition, row)
        case Amounts():
            return _amounts([condition], row)
        case Is():
            return _is(condition, row)
        case HasTag():
            return row.c.tags.contains(cast([condition.tag], ARRAY(Text)))
        case InCategories():
            return _of_category(row, lambda category_id: category_id.in_(condition.ids))
        case PaidBy() | PaidFrom():
            return row.c[condition.column].in_(condition.ids)
        case InCurrency() | NotConverted():
            return _of_currency(condition, row)


def _of_currency(condition: InCurrency | NotConverted, row: FromClause) -> ColumnElement[bool]:
    if isinstance(condition, InCurrency):
        return row.c.currency == condition.code
    return and_(row.c.currency != condition.base, row.c.base_currency.is_distinct_from(condition.base))


def _is(condition: Is, row: FromClause) -> ColumnElement[bool]:
    match condition.state:
        case "untagged":
            return row.c.tags == cast([], ARRAY(Text))
        case "unpaid":
            return row.c.payer_id.is_(None)
        case "without_account":
            return row.c.account_id.is_(None)
        case "divided":
            return row.c.split_mode.is_not(None)
        case "uncategorised":
            return _of_category(row, lambda category_id: category_id.is_(None))


def _of_category(row: FromClause, fits: Callable[[ColumnElement[UUID]], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether the category of an expense fits; of one that has lines, that of any of them."""
    line = select(literal(1)).where(
        expense_line.c.workspace_id == row.c.workspace_id,
        expense_line.c.expense_id == row.c.id,
        fits(expense_line.c.category_id),
    )
    return or_(
        and_(row.c.line_count.is_(None), fits(row.c.category_id)),
        and_(row.c.line_count.is_not(None), exists(line)),
    )


def _has_text(condition: HasText, row: FromClause) -> ColumnElement[bool]:
    escaped = condition.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    anywhere = expense_text(row).ilike(f"%{escaped}%")
    if condition.place == "any":
        return anywhere
    # The index knows only all texts together; what it finds is then looked at.
    return and_(anywhere, row.c[condition.place].ilike(f"%{escaped}%"))


def _amounts(conditions: Iterable[Amounts], row: FromClause) -> ColumnElement[bool]:
    """For each number of digits, its currencies and the bounds in minor units: each is a stretch of the index."""
    stretches = []
    for exponent, codes in EXPONENTS.items():
        bounds = [each.minor(exponent) for each in conditions]
        if None not in bounds:
            compared = [_compared(row.c.amount_minor, *bound) for bound in bounds if bound is not None]
            stretches.append(and_(row.c.currency == any_(_fixed(codes)), *compared))
    return or_(false(), *stretches)


def _fixed(codes: Iterable[str]) -> ColumnElement[Any]:
    """Currencies as a part of the statement, and no parameter.

    A plan for any parameters cannot ask the index for those, and compares each row with each of them: 9 s instead of
    0.2 s at a million expenses.
    """
    return literal_column(f"'{{{','.join(codes)}}}'::character(3)[]", ARRAY(CHAR(3)))


def _compared(amount: ColumnElement[int], comparison: str, minor: int) -> ColumnElement[bool]:
    return {
        "=": amount == minor,
        "<": amount < minor,
        "<=": amount <= minor,
        ">": amount > minor,
        ">=": amount >= minor,
    }[comparison]
