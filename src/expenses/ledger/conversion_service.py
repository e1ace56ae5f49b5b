"""Converting expenses into the workspace's base currency: when they are recorded, and afterwards when somebody asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from expenses import cursor as cursors
from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.db import transaction
from expenses.ledger import conversion_queries, queries
from expenses.rates.model import ConversionChoice
from expenses.rates.service import conversions
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.ledger.model import Expense
    from expenses.workspaces.model import Workspace

AT_ONCE: Final = 500
"""Expenses that one request looks at; each has an event of its own on record."""

NOT_CONVERTED: Final = ConversionChoice()
"""All that are not converted, and none of the others."""


async def with_conversions(session: Session, workspace: Workspace, expenses: Sequence[Expense]) -> list[Expense]:
    """The expenses with what they are worth in the base currency. Asks nothing when all are in that one."""
    base = workspace.base_currency
    if all(each.amount.currency.code == base for each in expenses):
        return [each if each.converted is None else replace(each, converted=None) for each in expenses]
    amounts = [(each.amount, each.spent_on) for each in expenses]
    found = await conversions(session, workspace_id=workspace.id, into=base, amounts=amounts)
    return [replace(each, converted=converted) for each, converted in zip(expenses, found, strict=True)]


async def convert_expenses(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    choice: ConversionChoice = NOT_CONVERTED,
    cursor: str | None = None,
    now: datetime,
) -> tuple[int, int, str | None]:
    """Convert the next expenses that are not converted: how many were, how many have no rate, and where to go on.

    What is converted already stays as it is, whatever the rates say now; unless it was into another base currency, or
    the choice says `again`. What has no rate any more stays as it is even then.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        InvalidCursor: The cursor is not one of this workspace.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    base = membership.workspace.base_currency
    scope = f"convert {workspace_id} {base} {choice!r}"
    after = None if cursor is None else cursors.decode_id(cursor, scope=scope)
    async with transaction(session):
        ids = await conversion_queries.lock_convertible(
            session, workspace_id=workspace_id, base=base, choice=choice, after=after, limit=AT_ONCE
        )
        before = await queries.expenses_with_ids(session, workspace_id=workspace_id, ids=ids)
        quoted = await with_conversions(session, membership.workspace, before)
        pairs = [
            (old, replace(new, version=old.version + 1, updated_at=now))
            for old, new in zip(before, quoted, strict=True)
            if new.converted not in {None, old.converted}
        ]
        rateless = sum(each.converted is None for each in quoted)
        if pairs:
            await conversion_queries.store_conversions(
                session, workspace_id=workspace_id, changed=[new for _, new in pairs]
            )
            events = [event_of("convert", before=old, after=new, actor_id=actor.user_id, now=now) for old, new in pairs]
            await insert_audit_events(session, workspace_id=workspace_id, new=events)
    following = cursors.encode(ids[-1].bytes, scope=scope) if len(ids) == AT_ONCE else None
    return len(pairs), rateless, following
