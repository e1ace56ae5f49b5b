"""The questions that rates ask the database, and what they write into it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CHAR, Date, bindparam, column, delete, func, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from expenses.rates.model import BY_HAND, LOOK_BACK, Rate
from expenses.rates.tables import fx_rate
from expenses.workspaces.tables import workspace

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.db import Session

BATCH: Final = 10_000
"""Rates that are written with one statement."""

_RATES = select(fx_rate).where(fx_rate.c.workspace_id == bindparam("workspace_id"))
_RATE = _RATES.where(
    fx_rate.c.base == bindparam("base"), fx_rate.c.quote == bindparam("quote"), fx_rate.c.on_date == bindparam("on")
)

_WANTED = (
    func.unnest(
        bindparam("bases", type_=ARRAY(CHAR(3))),
        bindparam("quotes", type_=ARRAY(CHAR(3))),
        bindparam("days", type_=ARRAY(Date)),
    )
    .table_valued(column("base", CHAR(3)), column("quote", CHAR(3)), column("day", Date), name="wanted")
    .render_derived()
)
_FOUND = _RATES.where(
    fx_rate.c.base == _WANTED.c.base,
    fx_rate.c.quote == _WANTED.c.quote,
    fx_rate.c.on_date.between(_WANTED.c.day - LOOK_BACK.days, _WANTED.c.day),
).lateral("found")
_NEEDED = select(_FOUND).select_from(_WANTED.join(_FOUND, true()))

_NAMES = tuple(each.name for each in fx_rate.columns)
_LOADED = (
    func.unnest(*(bindparam(name, type_=ARRAY(fx_rate.c[name].type)) for name in _NAMES))
    .table_valued(*(column(name, fx_rate.c[name].type) for name in _NAMES), name="loaded")
    .render_derived()
)
_INSERT = upsert(fx_rate).from_select(_NAMES, select(_LOADED))
_LOAD = _INSERT.on_conflict_do_update(
    constraint="fx_rate_pkey",
    set_={"rate": _INSERT.excluded.rate, "source": _INSERT.excluded.source},
    where=(fx_rate.c.source != BY_HAND)
    & (tuple_(fx_rate.c.rate, fx_rate.c.source) != tuple_(_INSERT.excluded.rate, _INSERT.excluded.source)),
)


async def rates_needed(
    session: Session, *, workspace_id: UUID, pairs_by_day: Collection[tuple[str, str, date]]
) -> list[Rate]:
    """The rates of these pairs on these days and up to a week before, each by one short stretch of the key."""
    bases, quotes, days = zip(*pairs_by_day, strict=True) if pairs_by_day else ((), (), ())
    values = {"workspace_id": workspace_id, "bases": list(bases), "quotes": list(quotes), "days": list(days)}
    return [_rate(row) for row in await session.execute(_NEEDED, values)]


async def rates_on_page(
    session: Session,
    *,
    workspace_id: UUID,
    pair: tuple[str | None, str | None],
    days: tuple[date | None, date | None],
    after: tuple[str, str, date] | None,
    limit: int,
) -> list[Rate]:
    """Rates by pair, from Z to A, the newest of each first: the key read backwards, so that no page sorts or skips."""
    statement = _RATES
    for code, wanted in zip((fx_rate.c.base, fx_rate.c.quote), pair, strict=True):
        if wanted is not None:
            statement = statement.where(code == wanted)
    first, last = days
    if first is not None:
        statement = statement.where(fx_rate.c.on_date >= first)
    if last is not None:
        statement = statement.where(fx_rate.c.on_date <= last)
    key = (fx_rate.c.base, fx_rate.c.quote, fx_rate.c.on_date)
    if after is not None:
        statement = statement.where(tuple_(*key) < tuple_(*after))
    statement = statement.order_by(*(each.desc() for each in key))
    return [_rate(row) for row in await session.execute(statement.limit(limit), {"workspace_id": workspace_id})]


async def rate_on(
    session: Session, *, workspace_id: UUID, base: str, quote: str, on: date, for_update: bool = False
) -> Rate | None:
    """The rate of exactly this day. `for_update` makes others who want to write it wait for our commit."""
    statement = _RATE.with_for_update() if for_update else _RATE
    values = {"workspace_id": workspace_id, "base": base, "quote": quote, "on": on}
    row = (await session.execute(statement, values)).first()
    return None if row is None else _rate(row)


async def insert_rate(session: Session, *, new: Rate) -> bool:
    """Store a rate; says whether there was none of that day."""
    statement = upsert(fx_rate).values(_values(new)).on_conflict_do_nothing().returning(fx_rate.c.rate)
    return (await session.execute(statement)).first() is not None


async def store_rate(session: Session, *, changed: Rate) -> None:
    """Replace a rate that this transaction has locked."""
    await session.execute(_exactly(update(fx_rate), changed).values(rate=changed.rate, source=changed.source))


async def delete_rate(session: Session, *, old: Rate) -> None:
    """Take a rate away that this transaction has locked."""
    await session.execute(_exactly(delete(fx_rate), old))


async def is_workspace(session: Session, *, workspace_id: UUID) -> bool:
    """Whether there is such a workspace."""
    return (await session.execute(select(workspace.c.id).where(workspace.c.id == workspace_id))).first() is not None


async def insert_loaded(session: Session, *, new: Sequence[Rate]) -> int:
    """Store the rates of a file in place of those there are, but for those entered by hand. Says how many changed."""
    changed = 0
    in_order = sorted(new, key=lambda rate: (rate.base, rate.quote, rate.on))  # two loads wait, they do not deadlock
    for start in range(0, len(in_order), BATCH):
        rows = [_values(rate) for rate in in_order[start : start + BATCH]]
        done = await session.execute(_LOAD, {name: [row[name] for row in rows] for name in _NAMES})
        changed += done.rowcount
    return changed


def _exactly(statement: Any, rate: Rate) -> Any:  # noqa: ANN401 - an update or a deletion
    return statement.where(
        fx_rate.c.workspace_id == rate.workspace_id,
        fx_rate.c.base == rate.base,
        fx_rate.c.quote == rate.quote,
        fx_rate.c.on_date == rate.on,
    )


def _rate(row: Row[Any]) -> Rate:
    return Rate(row.workspace_id, row.base, row.quote, row.on_date, row.rate, row.source)


def _values(rate: Rate) -> dict[str, Any]:
    return {
        "workspace_id": rate.workspace_id,
        "base": rate.base,
        "quote": rate.quote,
        "on_date": rate.on,
        "rate": rate.rate,
        "source": rate.source,
    }
