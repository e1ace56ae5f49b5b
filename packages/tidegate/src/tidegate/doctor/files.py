"""The revision files against the record and the version table: what was edited, what is missing, what nobody knows."""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import NamedTuple

from psycopg2 import errors

from tidegate.database.asking import fetch_all
from tidegate.doctor.finding import Finding
from tidegate.project.graph import Revision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement


class Entry(NamedTuple):
    """The last step on record of one revision, and the run that took it as far as this role may see it."""

    id: str
    direction: str
    parents: list[str]
    phase: str | None
    checksum: str | None
    applied_at: datetime
    run_id: int
    by: str = ""
    """Of whom, and with which version."""

    @property
    def revision(self) -> Revision:
        """The revision as it was then."""
        return Revision(id=self.id, parents=tuple(self.parents), phase=self.phase)

    @property
    def when(self) -> str:
        """A clause: when it was applied, by which run of whom."""
        return f"applied {self.applied_at:%Y-%m-%d %H:%M:%S %Z} by run {self.run_id}{self.by}"


class Files:
    """The code's revisions beside what one database says of them."""

    def __init__(self, graph: Graph, seen: Judgement, recorded: dict[str, Entry], options: str) -> None:
        self._graph = graph
        self._seen = seen
        self._recorded = recorded
        self._applied = {id_: entry for id_, entry in recorded.items() if entry.direction == "upgrade"}
        self._options = options
        self._closure = graph.closure(seen.current, {id_: entry.revision for id_, entry in self._applied.items()})

    def several_heads(self) -> Iterator[Finding]:
        """More than one head, unless each has a branch label of its own."""
        heads = self._graph.heads
        if len(heads) > 1 and not self._graph.has_one_head_per_branch():
            what = f"the code has {len(heads)} heads: {', '.join(f'`{head}`' for head in heads)}"
            yield Finding("several_heads", what, (f"alembic{self._options} merge heads -m 'merge heads'",))

    def strangers(self) -> Iterator[Finding]:
        """Revisions of the database that are in no file: newer ones, and those that nobody knows."""
        for id_ in sorted(id_ for id_ in self._closure if id_ not in self._graph):
            entry = self._applied.get(id_)
            if entry is None:
                yield self._unknown(id_)
            elif self._seen.state in {"ahead", "incompatible"}:
                yield Finding("newer_revision", f"revision `{id_}` is in no file here; {entry.when}", advice=_NEWER)
            else:
                what = f"the database is at `{id_}`, on another branch than the code; {entry.when}"
                yield Finding("unknown_revision", what, advice=_NEWER)

    def edited(self) -> Iterator[Finding]:
        """Files whose bytes are not those that were applied."""
        for id_ in self._in_both():
            entry = self._applied[id_]
            text = _read(self._graph[id_].path)
            if text is None or entry.checksum is None or _sum(text) == entry.checksum:
                continue
            lines = text.replace(b"\r\n", b"\n")
            ends_only = entry.checksum in {_sum(lines), _sum(lines.replace(b"\n", b"\r\n"))}
            told = "other line endings" if ends_only else "another text"
            what = (
                f"`{os.path.relpath(self._graph[id_].path)}` has {told} than when it was {entry.when}{self._moved(id_)}"
            )
            accept = f"tidegate doctor --accept {shlex.quote(id_)}{self._options}"
            then = "" if ends_only else "or bring the file back as it was, and write a new revision for what changed"
            yield Finding("line_endings" if ends_only else "edited_file", what, (accept,), then=then)

    def missing(self) -> Iterator[Finding]:
        """Revisions that were applied below the current one and are in no file any more, as after a squash."""
        recorded = {id_: entry.revision for id_, entry in self._applied.items()}
        phantoms = _recorded_closure(recorded, self._seen.current) - self._closure
        for id_ in sorted(id_ for id_ in phantoms if id_ not in self._graph):
            children = [child for child in self._in_both() if id_ in recorded[child].parents]
            accept = tuple(f"tidegate doctor --accept {shlex.quote(child)}{self._options}" for child in children)
            what = f"revision `{id_}` is in no file any more; {self._applied[id_].when}"
            yield Finding("missing_file", what, accept, then="or bring the file back as it was")

    def unrecorded(self) -> Iterator[Finding]:
        """Applied revisions that tidegate did not apply."""
        known = sorted(id_ for id_ in self._closure if id_ in self._graph and id_ not in self._applied)
        if known:
            shown = ", ".join(f"`{id_}`" for id_ in known[:5]) + (
                f" and {len(known) - 5} more" if len(known) > 5 else ""
            )
            yield Finding("unrecorded_revision", f"{len(known)} applied revision(s) are not on record: {shown}")

    def _in_both(self) -> list[str]:
        return sorted(id_ for id_ in self._closure if id_ in self._graph and id_ in self._applied)

    def _moved(self, id_: str) -> str:
        was, now = sorted(self._applied[id_].parents), sorted(self._graph[id_].needs)
        return "" if was == now else f"; its parent was `{', '.join(was)}` and is `{', '.join(now)}`"

    def _unknown(self, id_: str) -> Finding:
        last = max(self._applied.values(), key=lambda entry: entry.applied_at, default=None)
        if last is None:
            what = f"revision `{id_}` is in no file here, and nothing is on record"
        else:
            what = (
                f"revision `{id_}` is in no file here and not on record; the last on record is `{last.id}`, {last.when}"
            )
        find = (
            f"find the version that has its file (`git log --all -S {shlex.quote(id_)}` in the folder of revisions) "
            "and start that one, or restore the backup from before"
        )
        if last is None or last.id not in self._graph:
            return Finding("unknown_revision", what, advice=find)
        stamp = f"alembic{self._options} stamp --purge {shlex.quote(last.id)}"
        then = f"only if the schema is what `{last.id}` left; else {find}"
        return Finding("unknown_revision", what, (stamp,), then=then)


_NEWER = "start the version of the application that applied it"


def recorded_entries(connection: Connection) -> dict[str, Entry]:
    """The last step of each revision on record; none without a record."""
    try:
        rows = fetch_all(
            connection,
            "SELECT DISTINCT ON (id) id, direction, parents, phase, checksum, applied_at, run_id "
            "FROM tidegate.revision ORDER BY id, seq DESC",
        )
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return {}
    by = _runs(connection)
    return {row[0]: Entry(*row)._replace(by=by.get(row[6], "")) for row in rows}


def _runs(connection: Connection) -> dict[int, str]:
    """Of each run, by whom and with which version; nothing where this role may not know."""
    try:
        rows = fetch_all(connection, "SELECT id, who, host, application_version FROM tidegate.run")
    except errors.InsufficientPrivilege:
        return {}
    return {id_: f" ({who} on {host}{f', version {version}' if version else ''})" for id_, who, host, version in rows}


def _recorded_closure(recorded: dict[str, Revision], current: tuple[str, ...]) -> set[str]:
    """What the record alone says is applied; it knows the parents that files no longer name."""
    found: set[str] = set()
    todo = [id_ for id_ in current if id_ in recorded]
    while todo:
        id_ = todo.pop()
        if id_ not in found:
            found.add(id_)
            todo += [parent for parent in recorded[id_].parents if parent in recorded]
    return found


def checksum_of(path: str) -> str | None:
    """The checksum of a file as it is now; nothing if it cannot be read."""
    text = _read(path)
    return None if text is None else _sum(text)


def _sum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
