"""Recording, finding and changing expenses: who may, what must hold, and one transaction for each request that writes.

Who may what is in `workspaces.rights`. Categories are in `ledger.category_service`, lists and searches in
`ledger.listing_service`; they appear here too, so that pages and API need one module.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.db import transaction
from expenses.errors import NotFound, PreconditionFailed
from expenses.ids import uuid7
from expenses.ledger import queries, record_queries, snapshot_queries
from expenses.ledger.category_service import (
    add_category,
    archive_category,
    categories_on_page,
    change_category,
    get_category,
    list_categories,
)
from expenses.ledger.conversion_service import convert_expenses, with_conversions
from expenses.ledger.listing_service import list_entries, list_expenses, show_expenses
from expenses.ledger.model import (
    marked,
    recorded,
    rewritten,
)
from expenses.ledger.references import check_references
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.audit.model import Action as Deed
    from expenses.audit.model import AuditEvent
    from expenses.db import Session
    from expenses.ledger.model import Expense, ExpenseChange, ExpenseDraft

__all__ = [
    "add_category",
    "add_expense",
    "add_expenses",
    "archive_category",
    "categories_on_page",
    "change_category",
    "change_expense",
    "convert_expenses",
    "delete_expense",
    "get_category",
    "get_expense",
    "list_categories",
    "list_entries",
    "list_expenses",
    "restore_expense",
    "show_expense",
    "show_expenses",
]


async def get_expense(session: Session, *, actor: Actor, workspace_id: UUID, expense_id: UUID) -> Expense:
    """One expense. Raises `NotFound` for strangers too, and when it is in the trash."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.expense_with_id(session, workspace_id=workspace_id, expense_id=expense_id)
    if found is None or found.deleted_at is not None:
        raise NotFound
    return found


async def show_expense(session: Session, *, actor: Actor, workspace_id: UUID, expense_id: UUID) -> tuple[str, int]:
    """As `get_expense`, in JSON, and its version. What most are comes so from the database."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    shown = await snapshot_queries.shown_with_id(session, workspace_id=workspace_id, expense_id=expense_id)
    if shown is None:
        found = await get_expense(session, actor=actor, workspace_id=workspace_id, expense_id=expense_id)
        shown = json.dumps(found.snapshot(), ensure_ascii=False), found.version
    return shown


async def add_expense(
    session: Session, *, actor: Actor, workspace_id: UUID, draft: ExpenseDraft, now: datetime
) -> Expense:
    """Record one expense; raises what `add_expenses` raises."""
    ((new, _),) = await _add(session, actor=actor, workspace_id=workspace_id, drafts=[draft], now=now)
    return new


async def add_shown_expense(
    session: Session, *, actor: Actor, workspace_id: UUID, draft: ExpenseDraft, now: datetime
) -> tuple[Expense, Mapping[str, Any]]:
    """As `add_expense`, and what `snapshot` of it says, which is on record already."""
    ((new, event),) = await _add(session, actor=actor, workspace_id=workspace_id, drafts=[draft], now=now)
    return new, event.after or {}


async def add_expenses(
    session: Session, *, actor: Actor, workspace_id: UUID, drafts: Sequence[ExpenseDraft], now: datetime
) -> list[Expense]:
    """Record all of these expenses or none, in their order.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        WithdrawnCurrency: One is in a currency that is no longer in use.
        UnknownCategory: One is in a category that is archived or not of this workspace.
        UnknownPayer: One was paid by somebody who is not a member.
        UnknownAccount: One was paid from an account that is archived or not of this workspace.
    """
    added = await _add(session, actor=actor, workspace_id=workspace_id, drafts=drafts, now=now)
    return [new for new, _ in added]


async def _add(
    session: Session, *, actor: Actor, workspace_id: UUID, drafts: Sequence[ExpenseDraft], now: datetime
) -> list[tuple[Expense, AuditEvent]]:
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    await check_references(session, actor=actor, workspace_id=workspace_id, drafts=drafts, now=now)
    new = [recorded(draft, expense_id=uuid7(now), created_by=actor.user_id, now=now) for draft in drafts]
    new = await with_conversions(session, membership.workspace, new)
    events = [event_of("create", before=None, after=each, actor_id=actor.user_id, now=now) for each in new]
    if len(new) == 1 and not (new[0].lines or new[0].split):
        await record_queries.insert_recorded(session, workspace_id=workspace_id, new=new[0], event=events[0])
    elif new:
        async with transaction(session):
            await queries.insert_expenses(session, workspace_id=workspace_id, new=new)
            await insert_audit_events(session, workspace_id=workspace_id, new=events)
    return list(zip(new, events, strict=True))


async def change_expense(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    expense_id: UUID,
    change: ExpenseChange,
    expected_version: int | None = None,
    now: datetime,
) -> Expense:
    """The expense as it is afterwards; the same version as before when the change says nothing new.

    A withdrawn currency, an archived category or a former member may stay, but not be newly chosen.

    Raises:
        NotFound: No such expense, it is in the trash, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The expense has another version than the expected one.
        Invalid: It would become something that cannot be recorded.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    async with transaction(session):
        before = await _locked(session, workspace_id=workspace_id, expense_id=expense_id, version=expected_version)
        draft = change.applied_to(before)
        await check_references(session, actor=actor, workspace_id=workspace_id, drafts=[draft], before=before, now=now)
        after = rewritten(before, draft, now=now)
        if (after.amount, after.spent_on) != (before.amount, before.spent_on):
            (after,) = await with_conversions(session, membership.workspace, [after])
        if after is not before:
            await _store(session, "change", before, after, actor=actor, workspace_id=workspace_id, now=now)
    return after


async def delete_expense(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    expense_id: UUID,
    expected_version: int | None = None,
    now: datetime,
) -> Expense:
    """Put an expense into the trash; raises what `change_expense` raises."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    async with transaction(session):
        before = await _locked(session, workspace_id=workspace_id, expense_id=expense_id, version=expected_version)
        after = marked(before, deleted_at=now, now=now)
        await _store(session, "delete", before, after, actor=actor, workspace_id=workspace_id, now=now)
    return after


async def restore_expense(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    expense_id: UUID,
    expected_version: int | None = None,
    now: datetime,
) -> Expense:
    """Take an expense out of the trash; one that is not in it stays as it is.

    Raises:
        NotFound: There never was such an expense, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The expense has another version than the expected one.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    async with transaction(session):
        before = await queries.expense_with_id(
            session, workspace_id=workspace_id, expense_id=expense_id, for_update=True
        )
        if before is None:
            raise NotFound
        if expected_version is not None and expected_version != before.version:
            raise PreconditionFailed
        if before.deleted_at is None:
            return before
        after = marked(before, deleted_at=None, now=now)
        await _store(session, "restore", before, after, actor=actor, workspace_id=workspace_id, now=now)
    return after


async def _locked(session: Session, *, workspace_id: UUID, expense_id: UUID, version: int | None) -> Expense:
    found = await queries.expense_with_id(session, workspace_id=workspace_id, expense_id=expense_id, for_update=True)
    if found is None or found.deleted_at is not None:
        raise NotFound
    if version is not None and version != found.version:
        raise PreconditionFailed
    return found


async def _store(
    session: Session,
    action: Deed,
    before: Expense,
    after: Expense,
    *,
    actor: Actor,
    workspace_id: UUID,
    now: datetime,
) -> None:
    event = event_of(action, before=before, after=after, actor_id=actor.user_id, now=now)
    await queries.store_expense(session, workspace_id=workspace_id, before=before, changed=after)
    await insert_audit_events(session, workspace_id=workspace_id, new=[event])
