"""Entering, loading and deleting exchange rates, and quoting one currency in another."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from expenses import cursor as cursors
from expenses.audit.model import event_about, event_of
from expenses.audit.queries import insert_audit_events
from expenses.db import transaction
from expenses.errors import Conflict, NotFound, PreconditionFailed
from expenses.ids import uuid7
from expenses.money import currency_named
from expenses.rates import queries
from expenses.rates.ecb import InvalidRatesFile, parse_rates
from expenses.rates.model import CROSS, Rate, convert, quotation
from expenses.versions import check_version
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.audit.model import AuditEvent
    from expenses.db import Session
    from expenses.money import Money
    from expenses.rates.model import Converted, Quotation

LARGEST_FILE: Final = 2_000_000
"""Bytes of a file of rates: all that the ECB has published since 1999, in one file, are 1.7 million."""

_KEY_BYTES: Final = 3 + 3 + 4


async def list_rates(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    pair: tuple[str | None, str | None],
    days: tuple[date | None, date | None],
    limit: int,
    cursor: str | None = None,
) -> tuple[list[Rate], str | None]:
    """One page of the rates of a pair (or with `None` of all) in these days (inclusive), and the next page's cursor.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope = f"rates {workspace_id} {pair} {days}"
    after = None if cursor is None else _key(cursor, scope=scope)
    found = await queries.rates_on_page(
        session, workspace_id=workspace_id, pair=pair, days=days, after=after, limit=limit + 1
    )
    items = found[:limit]
    return items, _cursor(items[-1], scope=scope) if len(found) > limit else None


async def get_rate(session: Session, *, actor: Actor, workspace_id: UUID, base: str, quote: str, on: date) -> Rate:
    """The rate of exactly this day. Raises `NotFound` when there is none, and for strangers."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.rate_on(session, workspace_id=workspace_id, base=base, quote=quote, on=on)
    if found is None:
        raise NotFound
    return found


async def put_rate(session: Session, *, actor: Actor, rate: Rate, expected: str | None = None, now: datetime) -> Rate:
    """Enter a rate, in place of the one of that day if there is one.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        UnknownCurrency: One of the two.
        PreconditionFailed: It has another version than the expected one, or there is none of that day.
        Conflict: Somebody deleted it at this very moment.
    """
    await authorize(session, actor=actor, workspace_id=rate.workspace_id, action=Action.CHANGE_RATES)
    currency_named(rate.base, field="base")
    currency_named(rate.quote, field="quote")
    async with transaction(session):
        if expected is None and await queries.insert_rate(session, new=rate):
            await _record(session, event_of("create", before=None, after=rate, actor_id=actor.user_id, now=now), rate)
            return rate
        before = await _locked(session, rate)
        if before is None:
            raise Conflict if expected is None else PreconditionFailed
        check_version(expected, before.snapshot())
        if (before.rate, before.source) != (rate.rate, rate.source):
            await queries.store_rate(session, changed=rate)
            event = event_of("change", before=before, after=rate, actor_id=actor.user_id, now=now)
            await _record(session, event, rate)
    return rate


async def delete_rate(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    base: str,
    quote: str,
    on: date,
    expected: str | None = None,
    now: datetime,
) -> None:
    """Take a rate away. What was converted with it stays as it is.

    Raises:
        NotFound: No such rate, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The rate has another version than the expected one.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_RATES)
    async with transaction(session):
        before = await queries.rate_on(
            session, workspace_id=workspace_id, base=base, quote=quote, on=on, for_update=True
        )
        if before is None:
            raise NotFound
        check_version(expected, before.snapshot())
        await queries.delete_rate(session, old=before)
        await _record(session, event_of("delete", before=before, after=None, actor_id=actor.user_id, now=now), before)


async def upload_rates(
    session: Session, *, actor: Actor, workspace_id: UUID, content: bytes, source: str, now: datetime
) -> tuple[int, int]:
    """As `load_rates`, for somebody who may. Raises `NotFound` and `Forbidden` too."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_RATES)
    return await load_rates(
        session, workspace_id=workspace_id, actor_id=actor.user_id, content=content, source=source, now=now
    )


async def load_rates(
    session: Session, *, workspace_id: UUID, actor_id: UUID | None, content: bytes, source: str, now: datetime
) -> tuple[int, int]:
    """Store all rates of a file in the ECB's format or none; how many there are in it, and how many were new or other.

    Rates that were entered by hand stay as they are.

    Raises:
        InvalidRatesFile: With the numbers of the bad lines.
        NotFound: There is no such workspace.
    """
    if len(content) > LARGEST_FILE:
        raise InvalidRatesFile(f"The file has more than {LARGEST_FILE:,} bytes; split it by years.", field="file")
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        raise InvalidRatesFile("The file is not text in UTF-8.", field="file") from exc
    rates = parse_rates(text, workspace_id=workspace_id, source=source)
    days = [rate.on for rate in rates]
    told = {"source": source, "rates": len(rates), "from": min(days).isoformat(), "to": max(days).isoformat()}
    told |= {"sha256": sha256(content).hexdigest()}
    async with transaction(session):
        if not await queries.is_workspace(session, workspace_id=workspace_id):
            raise NotFound
        changed = await queries.insert_loaded(session, new=rates)
        after = told | {"changed": changed}
        event = event_about("rates", uuid7(now), "load", before=None, after=after, actor_id=actor_id, now=now)
        await insert_audit_events(session, workspace_id=workspace_id, new=[event])
    return len(rates), changed


async def quotations(
    session: Session, *, workspace_id: UUID, into: str, wanted: Collection[tuple[str, date]]
) -> dict[tuple[str, date], Quotation]:
    """What one unit of these currencies is worth on these days, by currency and day; what no rate says is left out.

    One query however many there are, and none for the currency itself.
    """
    foreign = {(code, day) for code, day in wanted if code != into}
    if not foreign:
        return {}
    needed = {
        (base, quote, day)
        for code, day in foreign
        for base, quote in ((code, into), (into, code), (CROSS, code), (CROSS, into))
        if base != quote
    }
    rates = await queries.rates_needed(session, workspace_id=workspace_id, pairs_by_day=needed)
    # A pair that several days ask for comes several times; that a rate is there twice does no harm.
    found = {(code, day): quotation(rates, of=code, into=into, on=day) for code, day in foreign}
    return {key: quoted for key, quoted in found.items() if quoted is not None}


async def conversions(
    session: Session, *, workspace_id: UUID, into: str, amounts: Iterable[tuple[Money, date]]
) -> list[Converted | None]:
    """What each amount was worth on its day, in their order; nothing for what is in that currency, or has no rate."""
    wanted = list(amounts)
    quoted = await quotations(
        session, workspace_id=workspace_id, into=into, wanted={(money.currency.code, day) for money, day in wanted}
    )
    base = currency_named(into)
    found = [(money, quoted.get((money.currency.code, day))) for money, day in wanted]
    return [convert(money, base, rate) if rate else None for money, rate in found]


async def _locked(session: Session, rate: Rate) -> Rate | None:
    return await queries.rate_on(
        session, workspace_id=rate.workspace_id, base=rate.base, quote=rate.quote, on=rate.on, for_update=True
    )


async def _record(session: Session, event: AuditEvent, rate: Rate) -> None:
    await insert_audit_events(session, workspace_id=rate.workspace_id, new=[event])


def _cursor(rate: Rate, *, scope: str) -> str:
    key = f"{rate.base}{rate.quote}".encode() + rate.on.toordinal().to_bytes(4, "big")
    return cursors.encode(key, scope=scope)


def _key(text: str, *, scope: str) -> tuple[str, str, date]:
    key = cursors.decode(text, scope=scope, length=_KEY_BYTES)
    try:
        pair = key[:6].decode("ascii")
        return pair[:3], pair[3:], date.fromordinal(int.from_bytes(key[6:], "big"))
    except (ValueError, OverflowError) as exc:
        raise cursors.InvalidCursor(field="cursor") from exc
