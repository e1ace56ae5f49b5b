"""What stands in the tables now, as events would say it: what the last event of a thing must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from expenses.ledger import queries as ledger
from expenses.payments.queries import accounts_of
from expenses.sharing.queries import settlements_with_ids
from expenses.workspaces.member_queries import roles_of
from expenses.workspaces.queries import workspace_with_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from uuid import UUID

    from expenses.audit.model import AuditEvent
    from expenses.db import Session

    Reader = Callable[..., Awaitable[dict[UUID, "State"]]]


@dataclass(frozen=True, slots=True)
class State:
    """What one thing looks like."""

    snapshot: Mapping[str, Any]
    is_deleted: bool = False
    """It is in the trash."""


async def _expenses(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, State]:
    found = await ledger.expenses_with_ids(session, workspace_id=workspace_id, ids=ids)
    return {each.id: State(each.snapshot(), is_deleted=each.deleted_at is not None) for each in found}


async def _categories(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, State]:
    _ = ids  # there are so few of them that all are read
    return {each.id: State(each.snapshot()) for each in await ledger.categories_of(session, workspace_id=workspace_id)}


async def _settlements(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, State]:
    found = await settlements_with_ids(session, workspace_id=workspace_id, ids=ids)
    return {each.id: State(each.snapshot()) for each in found}


async def _accounts(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, State]:
    _ = ids  # as few as categories
    return {each.id: State(each.snapshot()) for each in await accounts_of(session, workspace_id=workspace_id)}


async def _members(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, State]:
    _ = ids  # as few as categories
    found = await roles_of(session, workspace_id=workspace_id)
    return {user_id: State({"user_id": str(user_id), "role": role}) for user_id, role in found.items()}


async def _workspaces(session: Session, *, workspace_id: UUID, ids: Iterable[UUID]) -> dict[UUID, State]:
    _ = ids  # there is one
    found = await workspace_with_id(session, workspace_id=workspace_id)
    return {found.id: State(found.snapshot())} if found else {}


READERS: Final[Mapping[str, Reader]] = {
    "expense": _expenses,
    "category": _categories,
    "settlement": _settlements,
    "payment_account": _accounts,
    "member": _members,
    "workspace": _workspaces,
}
"""Who tells the state of what. The end of the chain of anything else is covered by seals only: of a file of rates only
its hash is on record, and an invitation that has run out says nothing any more."""


def disagreement(event: AuditEvent, state: State | None) -> str | None:
    """How a thing differs from what the last event about it says; nothing when it agrees.

    Only what the event says counts: an event from before a field existed says nothing about that field.
    """
    thing = f"{event.entity} {event.entity_id}"
    if event.after is None or state is None:
        return None if event.after is None and state is None else f"{thing} is {'there' if state else 'gone'}"
    if state.is_deleted != (event.action == "delete"):
        return f"{thing} is {'' if state.is_deleted else 'not '}in the trash"
    differing = [name for name in event.after if name in state.snapshot and event.after[name] != state.snapshot[name]]
    return f"{thing} has another `{differing[0]}`" if differing else None
