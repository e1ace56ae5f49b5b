"""`expenses verify`: whether the record of changes still is what was recorded, and the sums are those of the ledger."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from expenses.console import REFUSED, USAGE, CommandFailed, as_clause, connected, operator_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from expenses.audit.chain import Seal
    from expenses.history.verification import Verified

EVERY_S: Final = 2.0
"""Seconds between two lines of progress."""

Kept = dict[UUID, dict[int, str]]


@click.command("verify")
@click.option("--workspace", type=click.UUID, help="Only this workspace.  [default: all]")
@click.option("--seal", "is_sealing", is_flag=True, help="Seal each workspace in which nothing is wrong.")
@click.option(
    "--kept",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Compare with the seals in this file: the lines `seal …` of earlier runs. `-` is standard input.",
)
@click.option("--mend-sums", "mends_sums", is_flag=True, help="First count anew the sums that reports are read from.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(workspace: UUID | None, is_sealing: bool, kept: str | None, mends_sums: bool, form: str) -> None:  # noqa: FBT001 - click passes options by name
    """Find out whether anybody has tampered with the record of changes.

    Follows the chains of all changes, compares their ends with what stands in the tables, and what was sealed with the
    latest seal; and counts anew the sums that reports and balances are read from. Changes nothing but for `--seal` and
    `--mend-sums`, locks nothing, and may run while the service does. Keep the lines `seal …` on another machine:
    whoever owns the database can write a new record, but not one with those seals.

    Exit codes: 0 nothing is wrong · 1 something is, and each place is named · 12 database not reachable ·
    13 database refuses us · 64 usage or configuration.
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    known = _kept(kept)
    show = _Text() if form == "text" else _JSON()
    broken = asyncio.run(_verify(show, workspace=workspace, is_sealing=is_sealing, kept=known, mends=mends_sums))
    show.end()
    if broken:
        count = "1 place" if broken == 1 else f"{broken:,} places"
        hint = "what each of them means, and what to do: docs/audit.md"
        what = "the record of changes is broken" if show.kinds - {"sum"} else "the sums are not those of the ledger"
        raise CommandFailed(f"{what} in {count}", hint, REFUSED)


async def _verify(show: _Text | _JSON, *, workspace: UUID | None, is_sealing: bool, kept: Kept, mends: bool) -> int:
    broken = 0
    async for found in _verified(workspace=workspace, is_sealing=is_sealing, kept=kept, mends=mends):
        show.add(found)
        show.kinds |= {fault.kind for fault in found.faults}
        broken += found.fault_count
    return broken


async def _verified(*, workspace: UUID | None, is_sealing: bool, kept: Kept, mends: bool) -> AsyncIterator[Verified]:
    from expenses.errors import ServiceError  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.history import queries, verification  # noqa: PLC0415 - same
    from expenses.http import utc_now  # noqa: PLC0415 - same

    async with connected(operator_settings()) as session:
        try:
            until = await verification.settled_position(session) if is_sealing else None
        except ServiceError as exc:
            hint = "look for it in `pg_stat_activity`, or run this again later"
            raise CommandFailed(as_clause(exc.detail), hint, REFUSED) from exc
        there = await queries.workspace_ids(session)
        if workspace is not None and workspace not in there:
            raise CommandFailed(f"there is no workspace {workspace}", "leave `--workspace` away to verify all", USAGE)
        for each in sorted({*there, *kept}) if workspace is None else [workspace]:
            yield await verification.verify_workspace(
                session,
                workspace_id=each,
                kept=kept.get(each, {}),
                until=until,
                now=utc_now(),
                progress=_Progress(each).at,
                mends_sums=mends,
            )


def _kept(path: str | None) -> Kept:
    kept: Kept = {}
    if path is None:
        return kept
    with click.open_file(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.startswith("seal "):
                continue
            try:
                _, workspace, seal, digest = line.split()
                kept.setdefault(UUID(workspace), {})[int(seal)] = digest
            except ValueError as exc:
                hint = "write `seal WORKSPACE NUMBER HASH`, as `expenses verify --seal` prints it"
                raise CommandFailed(f"line {number} of `{path}` is not a seal", hint, USAGE) from exc
    return kept


class _Progress:
    """Says on standard error how far it has come, every now and then."""

    def __init__(self, workspace_id: UUID) -> None:
        self._workspace_id = workspace_id
        self._began = self._said = time.monotonic()

    def at(self, events: int) -> None:
        now = time.monotonic()
        if now - self._said >= EVERY_S:
            self._said = now
            click.echo(f"workspace {self._workspace_id}: {events:,} events, {now - self._began:.0f} s", err=True)


class _Text:
    """A line for each workspace, each fault with the next step, and the seals to keep."""

    def __init__(self) -> None:
        self._events = self._workspaces = self._broken = 0
        self.kinds: set[str] = set()

    def add(self, found: Verified) -> None:
        self._events += found.events
        self._workspaces += 1
        self._broken += found.fault_count
        before = f", {found.loose:,} of them from before the chain" if found.loose else ""
        click.echo(f"workspace {found.workspace_id}: {found.events:,} events about {found.things:,} things{before}")
        if found.mended:
            click.echo(f"mended {found.mended:,} sums")
        for fault in found.faults:
            when = f" (recorded {fault.at:%Y-%m-%d %H:%M:%S} UTC, event {fault.event_id})" if fault.at else ""
            click.echo(f"broken ({fault.kind}): {fault.what}{when}\n  next: {fault.next_step}")
        if more := found.fault_count - len(found.faults):
            click.echo(f"broken: and {more:,} more places in this workspace")
        if found.seal:
            click.echo(f"seal {found.workspace_id} {found.seal.number} {found.seal.hash.hex()}")

    def end(self) -> None:
        if not self._broken:
            click.echo(f"Nothing is wrong: {self._events:,} events in {self._workspaces:,} workspaces.")


class _JSON:
    """One document with everything."""

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []
        self.kinds: set[str] = set()

    def add(self, found: Verified) -> None:
        self._found.append(
            {
                "workspace_id": str(found.workspace_id),
                "events": found.events,
                "things": found.things,
                "loose": found.loose,
                "mended_sums": found.mended,
                "fault_count": found.fault_count,
                "faults": [
                    {
                        "kind": each.kind,
                        "what": each.what,
                        "next": each.next_step,
                        "entity": each.entity,
                        "entity_id": str(each.entity_id) if each.entity_id else None,
                        "event_id": str(each.event_id) if each.event_id else None,
                        "at": each.at.isoformat() if each.at else None,
                    }
                    for each in found.faults
                ],
                "seal": _seal_out(found.seal) if found.seal else None,
            }
        )

    def end(self) -> None:
        is_intact = not any(each["fault_count"] for each in self._found)
        json.dump({"is_intact": is_intact, "workspaces": self._found}, sys.stdout, indent=2)
        click.echo()


def _seal_out(seal: Seal) -> dict[str, Any]:
    return {"number": seal.number, "at": seal.at.isoformat(), "events": seal.events, "hash": seal.hash.hex()}
