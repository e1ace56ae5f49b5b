"""Who owes whom, for everybody in a workspace; payments are recorded by whoever may record expenses."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import NotFound
from expenses.ids import uuid7
from expenses.ledger.cursor import PageKey
from expenses.ledger.model import DEFAULT_PAGE_SIZE
from expenses.sharing import queries
from expenses.sharing.model import CurrencyBalances, Settlement, UnknownPerson, settled_by
from expenses.versions import check_version
from expenses.workspaces.member_service import names_of_people
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.sharing.model import SettlementDraft


async def list_balances(session: Session, *, actor: Actor, workspace_id: UUID) -> list[CurrencyBalances]:
    """Who gets back and who owes, for each currency in which anything is open, in the order of their codes.

    Raises:
        NotFound: The actor does not belong to the workspace.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.balances_of(session, workspace_id=workspace_id)
    grouped = [(currency, tuple(group)) for currency, group in groupby(found, key=lambda each: each.amount.currency)]
    return [CurrencyBalances(currency, group, settled_by(group)) for currency, group in grouped]


async def balances_on_page(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int, cursor: str | None = None
) -> Page[CurrencyBalances]:
    """A page of `list_balances`; raises what that raises, and `InvalidCursor`.

    All are added up for each page: there are no more currencies in a workspace than in the world.
    """
    listing: Listing[CurrencyBalances] = Listing(f"balances {workspace_id}", (str,), lambda each: (each.currency.code,))
    found = await list_balances(session, actor=actor, workspace_id=workspace_id)
    (after,) = listing.key_in(cursor) or ("",)
    return listing.page([each for each in found if each.currency.code > after], limit=limit)


async def list_settlements(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int = DEFAULT_PAGE_SIZE, cursor: str | None = None
) -> Page[Settlement]:
    """One page of the payments between people, newest day first.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope = f"settlements {workspace_id}"
    after = None if cursor is None else PageKey.from_cursor(cursor, scope=scope)
    found = await queries.settlements_on_page(session, workspace_id=workspace_id, after=after, limit=limit + 1)
    items, has_more = found[:limit], len(found) > limit
    return Page(items, PageKey(items[-1].paid_on, items[-1].id).cursor(scope=scope) if has_more else None)


async def get_settlement(session: Session, *, actor: Actor, workspace_id: UUID, settlement_id: UUID) -> Settlement:
    """One payment. Raises `NotFound` for strangers too."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.settlement_with_id(session, workspace_id=workspace_id, settlement_id=settlement_id)
    if found is None:
        raise NotFound
    return found


async def add_settlement(
    session: Session, *, actor: Actor, workspace_id: UUID, draft: SettlementDraft, now: datetime
) -> Settlement:
    """Record that somebody paid somebody; it need not be what is owed, and may be between others.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        UnknownPerson: One of the two neither belongs to the workspace nor did.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SETTLE)
    people = await names_of_people(session, actor=actor, workspace_id=workspace_id)
    for field, user_id in (("from_user_id", draft.from_user_id), ("to_user_id", draft.to_user_id)):
        if user_id not in people:
            raise UnknownPerson(field=field)
    new = Settlement(
        id=uuid7(now),
        from_user_id=draft.from_user_id,
        to_user_id=draft.to_user_id,
        amount=draft.amount,
        paid_on=draft.paid_on,
        note=draft.note,
        created_by=actor.user_id,
        created_at=now,
    )
    event = event_of("create", before=None, after=new, actor_id=actor.user_id, now=now)
    async with transaction(session):
        await queries.insert_settlement(session, workspace_id=workspace_id, new=new)
        await insert_audit_events(session, workspace_id=workspace_id, new=[event])
    return new


async def delete_settlement(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    settlement_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> None:
    """Take a payment back: what it settled is owed again. What it was stays in the record of changes.

    Raises:
        NotFound: No such payment, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The payment has another version than the expected one.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SETTLE)
    async with transaction(session):
        key = {"workspace_id": workspace_id, "settlement_id": settlement_id}
        gone = await queries.settlement_with_id(session, **key, for_update=True)
        if gone is None:
            raise NotFound
        check_version(expected, gone.snapshot())
        event = event_of("delete", before=gone, after=None, actor_id=actor.user_id, now=now)
        await queries.delete_settlement(session, **key)
        await insert_audit_events(session, workspace_id=workspace_id, new=[event])
