"""The trash: what is in it, and how something leaves it for ever. Putting in and taking out is in `ledger.service`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.cursor import InvalidCursor, Page, decode, encode
from expenses.db import transaction
from expenses.errors import NotFound, PreconditionFailed
from expenses.ledger import bulk_queries, queries
from expenses.ledger.model import DEFAULT_PAGE_SIZE
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.ledger.model import Expense

KEPT_FOR: Final = timedelta(days=30)
"""How long something stays in the trash before `expenses purge-trash` takes it away."""

BATCH: Final = 500
"""Expenses that are purged in one transaction: short locks, and an end can come between any two."""

_TIME_BYTES: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def list_trash(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int = DEFAULT_PAGE_SIZE, cursor: str | None = None
) -> Page[Expense]:
    """One page of the trash, newest deletion first.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope = f"trash {workspace_id}"
    after = None if cursor is None else _key_in(cursor, scope)
    ids = await bulk_queries.trash_on_page(session, workspace_id=workspace_id, after=after, limit=limit + 1)
    found = {each.id: each for each in await queries.expenses_with_ids(session, workspace_id=workspace_id, ids=ids)}
    items = [found[each] for each in ids[:limit] if each in found and found[each].deleted_at]
    return Page(items, _cursor_of(items[-1], scope) if len(ids) > limit and items else None)


async def purge_expense(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    expense_id: UUID,
    expected_version: int | None = None,
    now: datetime,
) -> None:
    """Take an expense that is in the trash away for ever; the record of changes keeps what it was.

    Raises:
        NotFound: It is not in the trash, or the actor does not belong to the workspace.
        Forbidden: The actor is neither owner nor admin.
        PreconditionFailed: The expense has another version than the expected one.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.PURGE_TRASH)
    async with transaction(session):
        gone = await _purge(
            session, workspace_id=workspace_id, ids=[expense_id], actor_id=actor.user_id, before=now, now=now
        )
        if not gone:
            raise NotFound
        if expected_version is not None and expected_version != gone[0].version:
            raise PreconditionFailed


async def purge_old_trash(session: Session, *, kept_for: timedelta, now: datetime) -> int:
    """Take away what has been in any workspace's trash for longer, and say how much that was. For the operator."""
    deadline = now - kept_for
    total = 0
    for workspace_id in await bulk_queries.workspaces_with_trash(session, deadline=deadline):
        total += await _purge_before(session, workspace_id=workspace_id, deadline=deadline, now=now)
    return total


async def _purge_before(session: Session, *, workspace_id: UUID, deadline: datetime, now: datetime) -> int:
    total = 0
    while True:
        async with transaction(session):
            ids = await bulk_queries.trash_before(session, workspace_id=workspace_id, deadline=deadline, limit=BATCH)
            gone = await _purge(session, workspace_id=workspace_id, ids=ids, actor_id=None, before=deadline, now=now)
            total += len(gone)
        if len(ids) < BATCH:
            return total


async def _purge(
    session: Session, *, workspace_id: UUID, ids: Sequence[UUID], actor_id: UUID | None, before: datetime, now: datetime
) -> list[Expense]:
    """Those of these that still are in the trash; somebody may have restored one a moment ago."""
    await bulk_queries.lock_expenses(session, workspace_id=workspace_id, ids=ids)
    found = await queries.expenses_with_ids(session, workspace_id=workspace_id, ids=ids)
    gone = [each for each in found if each.deleted_at is not None and each.deleted_at <= before]
    if gone:
        events = [event_of("purge", before=each, after=None, actor_id=actor_id, now=now) for each in gone]
        await insert_audit_events(session, workspace_id=workspace_id, new=events)
        await bulk_queries.erase_expenses(session, workspace_id=workspace_id, ids=[each.id for each in gone])
    return gone


def _cursor_of(last: Expense, scope: str) -> str:
    since = (last.deleted_at or _EPOCH) - _EPOCH
    return encode((since // timedelta(microseconds=1)).to_bytes(_TIME_BYTES, "big") + last.id.bytes, scope=scope)


def _key_in(cursor: str, scope: str) -> tuple[datetime, UUID]:
    key = decode(cursor, scope=scope, length=_TIME_BYTES + 16)
    try:
        at = _EPOCH + timedelta(microseconds=int.from_bytes(key[:_TIME_BYTES], "big"))
    except OverflowError as exc:
        raise InvalidCursor(field="cursor") from exc
    return at, UUID(bytes=key[_TIME_BYTES:])
