"""Writing the record of changes, and reading it page by page or from end to end.

Nothing here commits, changes or deletes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import LargeBinary, bindparam, func, insert, literal, select, text, true
from sqlalchemy.dialects.postgresql import insert as upsert

from expenses.audit.chain import START, Link, Seal, canonical, linked
from expenses.audit.model import AuditEvent
from expenses.audit.tables import audit_event, audit_seal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from uuid import UUID

    from sqlalchemy import Row

    from expenses.db import Session

BORN_ONCE: Final = frozenset({"expense", "category"})
"""What gets a fresh id when it is made, so that making it is the first of its events and needs no look for others."""

_COLUMNS: Final = (
    "workspace_id",
    "id",
    "at",
    "actor_id",
    "entity",
    "entity_id",
    "action",
    "before",
    "after",
    "request_id",
)

_last = (
    select(audit_event.c.seq, audit_event.c.hash)
    .where(
        audit_event.c.workspace_id == bindparam("workspace_id"),
        audit_event.c.entity_id == bindparam("entity_id"),
        audit_event.c.seq.is_not(None),
    )
    .order_by(audit_event.c.seq.desc())
    .limit(1)
    .lateral("last")
)
_before = func.coalesce(_last.c.hash, literal(START, LargeBinary))
_APPEND = insert(audit_event).from_select(
    [*_COLUMNS, "seq", "hash"],
    select(
        *(bindparam(name, type_=audit_event.c[name].type) for name in _COLUMNS),
        func.coalesce(_last.c.seq, 0) + 1,
        func.sha256(_before.concat(bindparam("content", type_=LargeBinary))),
    ).select_from(select(literal(1)).subquery("one").outerjoin(_last, true())),
)
"""Adds an event behind the last one of its thing, in one round trip. The thing's row is locked, so that one stays last;
if a caller forgot to lock, `audit_event_chain_key` refuses the second of two."""


async def insert_audit_events(session: Session, *, workspace_id: UUID, new: Iterable[AuditEvent]) -> None:
    """Add to the record of changes, in the transaction of the changes themselves and after they locked their rows."""
    first, later = [], []
    for event in new:
        if event.action == "create" and event.entity in BORN_ONCE:
            first.append(first_values(workspace_id, event))
        else:
            later.append(_values(workspace_id, event) | {"content": canonical(workspace_id, event)})
    if first:
        await session.execute(insert(audit_event), first)
    if later:
        await session.execute(_APPEND, later)


def first_values(workspace_id: UUID, event: AuditEvent) -> dict[str, Any]:
    """The row of the first event of something that has just been made (`BORN_ONCE`)."""
    return _values(workspace_id, event) | {"seq": 1, "hash": linked(START, canonical(workspace_id, event))}


async def audit_events_on_page(
    session: Session, *, workspace_id: UUID, entity_id: UUID | None, after: UUID | None, limit: int
) -> list[AuditEvent]:
    """The newest changes after an id, of one thing or of the whole workspace."""
    statement = select(audit_event).where(audit_event.c.workspace_id == workspace_id)
    if entity_id is not None:
        statement = statement.where(audit_event.c.entity_id == entity_id)
    if after is not None:
        statement = statement.where(audit_event.c.id < after)
    rows = await session.execute(statement.order_by(audit_event.c.id.desc()).limit(limit))
    return [event_in(row) for row in rows]


async def begin_snapshot(session: Session) -> None:
    """Make all that this transaction reads be of one moment. The first statement in it; nothing can be written then."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


async def links_of(session: Session, *, workspace_id: UUID) -> AsyncIterator[Link]:
    """The whole record of a workspace as `walk` takes it, a thousand events at a time; within a transaction."""
    statement = (
        select(audit_event)
        .where(audit_event.c.workspace_id == workspace_id)
        .order_by(audit_event.c.entity_id, audit_event.c.seq, audit_event.c.id)  # ascending: NULL comes last
    )
    async for row in session.stream(statement, at_once=1000):
        yield Link(workspace_id, event_in(row), row.seq, row.hash, row.position)


async def seals_of(session: Session, *, workspace_id: UUID) -> list[tuple[Seal, bytes]]:
    """A workspace's seals, oldest first, each with the hash that stands beside it."""
    statement = select(audit_seal).where(audit_seal.c.workspace_id == workspace_id).order_by(audit_seal.c.number)
    names = ("workspace_id", "number", "at", "until", "events", "things", "loose", "digest", "previous")
    return [
        (Seal(**{name: getattr(row, name) for name in names}), row.hash) for row in await session.execute(statement)
    ]


async def insert_seal(session: Session, *, new: Seal) -> bool:
    """Store a seal; says whether nobody else has stored one of its number meanwhile."""
    values = {column.name: getattr(new, column.name) for column in audit_seal.columns}
    statement = upsert(audit_seal).values(values).on_conflict_do_nothing().returning(audit_seal.c.number)
    return (await session.execute(statement)).first() is not None


async def last_position(session: Session) -> int:
    """The last position that an event has taken, committed or not."""
    statement = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM audit_event_position_seq")
    found: int = (await session.execute(statement)).scalar_one()
    return found


async def next_transaction(session: Session) -> int:
    """A number greater than that of every transaction that writes now: a new one's own."""
    return int((await session.execute(text("SELECT pg_current_xact_id()::text"))).scalar_one())


async def oldest_transaction(session: Session) -> int:
    """The number before which every transaction that writes has ended."""
    return int((await session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))).scalar_one())


def event_in(row: Row[Any]) -> AuditEvent:
    """The event that a row of the table holds."""
    return AuditEvent(
        id=row.id,
        at=row.at,
        actor_id=row.actor_id,
        entity=row.entity,
        entity_id=row.entity_id,
        action=row.action,
        before=row.before,
        after=row.after,
        request_id=row.request_id,
    )


def _values(workspace_id: UUID, event: AuditEvent) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": event.id,
        "at": event.at,
        "actor_id": event.actor_id,
        "entity": event.entity,
        "entity_id": event.entity_id,
        "action": event.action,
        "before": event.before,
        "after": event.after,
        "request_id": event.request_id,
    }
