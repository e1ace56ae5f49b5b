"""Finding out whether the record of changes still is what was recorded, and sealing what is.

Reads everything once, a workspace at a time, each as of one moment and without a lock, in bounded memory.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from expenses.audit import queries as audit
from expenses.audit.chain import START, canonical
from expenses.audit.walk import Fault, Tally, Walk, seal_fault
from expenses.db import transaction
from expenses.errors import Conflict
from expenses.history import queries
from expenses.history.states import READERS, disagreement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from expenses.audit.chain import Link, Seal
    from expenses.audit.model import AuditEvent
    from expenses.db import Session

MOST_FAULTS: Final = 100
"""Faults that are named in each workspace; more are counted."""

BATCH: Final = 500
"""Things whose state is read at once."""

PATIENCE_S: Final = 60
"""How long sealing waits for transactions that were writing when it began."""


class StillWriting(Conflict):
    """A transaction has been writing for more than a minute, so nothing can be sealed."""

    code = "still_writing"


@dataclass(slots=True)
class Verified:
    """What was found in one workspace."""

    workspace_id: UUID
    events: int = 0
    things: int = 0
    loose: int = 0
    """Events from before the chain."""
    mended: int = 0
    """Sums that were wrong, and were mended before anything else."""
    faults: list[Fault] = field(default_factory=list)
    """At most `MOST_FAULTS` of them."""
    fault_count: int = 0
    seal: Seal | None = None
    """The latest one, new or not."""

    def note(self, faults: Iterable[Fault]) -> None:
        """Count what is wrong, and name it while there is room."""
        for fault in faults:
            self.fault_count += 1
            if len(self.faults) < MOST_FAULTS:
                self.faults.append(fault)


async def settled_position(session: Session) -> int:
    """A position up to which every event there will ever be can be read now. Locks nothing.

    Positions are taken before they can be read, and transactions end in another order than they take them. So this
    takes the last position, and then waits until every transaction that was writing at that time has ended.

    Raises:
        StillWriting: One of them did not end within `PATIENCE_S`.
    """
    until = await audit.last_position(session)
    await asyncio.sleep(0.1)  # an insert takes its position microseconds before its transaction has a number
    newer = await audit.next_transaction(session)
    for _ in range(PATIENCE_S * 10):
        if await audit.oldest_transaction(session) >= newer:
            return until
        await asyncio.sleep(0.1)
    raise StillWriting


async def verify_workspace(
    session: Session,
    *,
    workspace_id: UUID,
    kept: Mapping[int, str],
    until: int | None,
    now: datetime,
    progress: Callable[[int], None],
    mends_sums: bool = False,
) -> Verified:
    """Follow all chains of a workspace, and compare their ends with what stands in the tables.

    Args:
        session: A connection of its own: one transaction lasts as long as this does.
        workspace_id: Which one.
        kept: Seals that somebody kept elsewhere: number and hash in hexadecimal digits.
        until: Seal everything up to this position (`settled_position`), if nothing is wrong; `None`: do not seal.
        now: The time of the seal.
        progress: Told after every thousand events how many there were.
        mends_sums: Make the sums that reports are read from those of the ledger before looking at them.
    """
    found = Verified(workspace_id)
    if mends_sums:
        async with transaction(session):
            found.mended = await queries.mend_sums(session, workspace_id=workspace_id)
    new = None if until is None else Tally(until)
    async with transaction(session):
        await audit.begin_snapshot(session)
        await _check_seals(session, found, kept)
        old = Tally(found.seal.until) if found.seal else None
        await _follow(session, found, [each for each in (old, new) if each], progress)
        if found.seal and old:
            found.note(fault for fault in [seal_fault(found.seal, old)] if fault)
        for entity, thing in await queries.unrecorded(session, workspace_id=workspace_id, limit=MOST_FAULTS):
            what = f"{entity} {thing} stands in the tables, but no event says how it came there"
            found.note([Fault("unrecorded", what, workspace_id, entity, thing)])
        wrong = await queries.missing_in_sums(session, workspace_id=workspace_id)
        found.note(Fault("sum", f"the sums lack {what}", workspace_id) for what in wrong)
    if new and new.events and not found.faults:
        await _seal(session, found, new, now=now)
    return found


async def _check_seals(session: Session, found: Verified, kept: Mapping[int, str]) -> None:
    previous = START
    hashes = {}
    for number, (seal, stored) in enumerate(await audit.seals_of(session, workspace_id=found.workspace_id), start=1):
        if (seal.number, seal.previous, seal.hash) != (number, previous, stored):
            found.note([Fault("seal", f"seal {seal.number} does not follow from the one before", found.workspace_id)])
        previous, found.seal = stored, seal
        hashes[seal.number] = stored.hex()
    for number, text in kept.items():
        if hashes.get(number) != text:
            what = f"seal {number} is {'another one' if number in hashes else 'missing'}, not the one that was kept"
            found.note([Fault("seal", what, found.workspace_id)])


async def _follow(session: Session, found: Verified, tallies: list[Tally], progress: Callable[[int], None]) -> None:
    walk = Walk(found.workspace_id, sealed_until=found.seal.until if found.seal else None)
    ends: list[AuditEvent] = []
    async for link in audit.links_of(session, workspace_id=found.workspace_id):
        if end := walk.ends(link):
            ends.append(end)
        content = _content(link)
        found.note(walk.take(link, content))
        for tally in tallies:
            tally.take(link, content)
        found.events += 1
        if found.events % 1000 == 0:
            progress(found.events)
        if len(ends) >= BATCH:
            await _compare(session, found, ends)
            ends = []
    if end := walk.ends(None):
        ends.append(end)
    await _compare(session, found, ends)
    found.loose = walk.loose


async def _compare(session: Session, found: Verified, ends: list[AuditEvent]) -> None:
    found.things += len(ends)
    for entity, reader in READERS.items():
        events = [each for each in ends if each.entity == entity]
        if not events:
            continue
        ids = [each.entity_id for each in events]
        states = await reader(session, workspace_id=found.workspace_id, ids=ids)
        for event in events:
            what = disagreement(event, states.get(event.entity_id))
            if what is not None:
                what = f"{what}, which its last event does not say"
                found.note([Fault("state", what, found.workspace_id, entity, event.entity_id, event.id, event.at)])


async def _seal(session: Session, found: Verified, tally: Tally, *, now: datetime) -> None:
    new = tally.seal(workspace_id=found.workspace_id, after=found.seal, at=now)
    if found.seal and (found.seal.digest, found.seal.events) == (new.digest, new.events):
        return  # nothing has happened since
    async with transaction(session):
        if await audit.insert_seal(session, new=new):
            found.seal = new


def _content(link: Link) -> bytes:
    try:
        return canonical(link.workspace_id, link.event)
    except TypeError:
        return b""  # nothing that this application has written, and nobody's hash
