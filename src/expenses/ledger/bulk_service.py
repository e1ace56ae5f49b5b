"""Changing many expenses in one transaction: all of them or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.db import transaction
from expenses.errors import Invalid, NotFound
from expenses.ledger import bulk_queries, queries
from expenses.ledger.bulk import BulkRefused, named_twice, place_name
from expenses.ledger.model import UNSET, UnknownCategory, UnknownPayer
from expenses.payments.service import check_accounts
from expenses.workspaces.rights import Action, authorize
from expenses.workspaces.service import membership_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.ledger.bulk import BulkChange, Order, Target
    from expenses.ledger.model import Expense


async def change_expenses(
    session: Session, *, actor: Actor, workspace_id: UUID, targets: Sequence[Target], order: Order, now: datetime
) -> list[tuple[Expense, Expense]]:
    """What each was and what it is now, in the order of the targets; the very same where there was nothing to do.

    Done a second time it changes nothing more, unless versions are given.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        UnknownCategory, UnknownPayer, UnknownAccount: What shall be set cannot be chosen.
        BulkRefused: Some cannot be changed like that; names each of them, and nothing was changed.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    await _check_chosen(session, actor=actor, workspace_id=workspace_id, change=order.change)
    async with transaction(session):
        done = await _done(session, workspace_id=workspace_id, targets=targets, order=order, now=now)
        changed = [(before, after) for before, after in done if after is not before]
        if changed:
            await bulk_queries.store_expenses(
                session, workspace_id=workspace_id, changed=[after for _, after in changed]
            )
            events = [
                event_of(order.deed, before=before, after=after, actor_id=actor.user_id, now=now)
                for before, after in changed
            ]
            await insert_audit_events(session, workspace_id=workspace_id, new=events)
    return done


async def _done(
    session: Session, *, workspace_id: UUID, targets: Sequence[Target], order: Order, now: datetime
) -> list[tuple[Expense, Expense]]:
    ids = {target.id for target in targets}
    await bulk_queries.lock_expenses(session, workspace_id=workspace_id, ids=ids)
    found = {each.id: each for each in await queries.expenses_with_ids(session, workspace_id=workspace_id, ids=ids)}
    faults, done = named_twice(targets), []
    for place, target in enumerate(targets):
        before = found.get(target.id)
        fault = order.fault(target, before)
        if before is None or fault:
            faults.append((place_name(place), fault or ""))
            continue
        try:
            done.append((before, order.done_to(before, now=now)))
        except Invalid as error:
            faults.append((place_name(place), error.detail))
    if faults:
        raise BulkRefused(faults=faults)
    return done


async def _check_chosen(session: Session, *, actor: Actor, workspace_id: UUID, change: BulkChange) -> None:
    category_id, payer_id, account_id = change.category_id, change.payer_id, change.account_id
    categories = set() if category_id is UNSET or category_id is None else {category_id}
    if categories and not await queries.categories_in_use(session, workspace_id=workspace_id, among=categories):
        raise UnknownCategory(field="category_id")
    if account_id is not UNSET and account_id is not None:
        await check_accounts(session, workspace_id=workspace_id, among={account_id})
    if payer_id is not UNSET and payer_id is not None and payer_id != actor.user_id:
        try:
            await membership_of(session, user_id=payer_id, workspace_id=workspace_id)
        except NotFound as exc:
            raise UnknownPayer(field="payer_id") from exc
