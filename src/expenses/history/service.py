"""Reading the record of changes: who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.audit import queries
from expenses.cursor import Page
from expenses.errors import NotFound
from expenses.ledger import cursor as cursors
from expenses.ledger.model import DEFAULT_PAGE_SIZE, Expense
from expenses.ledger.queries import expense_with_id
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.audit.model import AuditEvent
    from expenses.db import Session


async def list_audit_events(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    entity_id: UUID | None = None,
    limit: int = DEFAULT_PAGE_SIZE,
    cursor: str | None = None,
) -> Page[AuditEvent]:
    """One page of the record of changes, newest first, of one thing or of the whole workspace.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor is neither owner nor admin.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_AUDIT)
    return await _page(session, workspace_id=workspace_id, entity_id=entity_id, limit=limit, cursor=cursor)


async def list_changes(
    session: Session, *, actor: Actor, workspace_id: UUID, expense_id: UUID, limit: int, cursor: str | None
) -> Page[AuditEvent]:
    """The changes of one expense, newest first, for all who may write; of one that is gone, for who sees everything.

    Raises:
        NotFound: There is no such expense, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        InvalidCursor: The cursor is not one of this list.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_HISTORY)
    if not Action.SEE_AUDIT.allows(membership.role) and not await expense_with_id(
        session, workspace_id=workspace_id, expense_id=expense_id
    ):
        raise NotFound
    page = await _page(session, workspace_id=workspace_id, entity_id=expense_id, limit=limit, cursor=cursor)
    if not page.items or page.items[0].entity != Expense.entity:
        raise NotFound
    return page


async def _page(
    session: Session, *, workspace_id: UUID, entity_id: UUID | None, limit: int, cursor: str | None
) -> Page[AuditEvent]:
    scope = f"audit {workspace_id} {entity_id}"
    after = None if cursor is None else cursors.decode_id(cursor, scope=scope)
    found = await queries.audit_events_on_page(
        session, workspace_id=workspace_id, entity_id=entity_id, after=after, limit=limit + 1
    )
    items = found[:limit]
    return Page(items, cursors.encode(items[-1].id.bytes, scope=scope) if len(found) > limit else None)
