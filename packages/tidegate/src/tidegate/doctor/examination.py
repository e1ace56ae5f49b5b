"""The examination: every kind of finding, as far as this role may see. Only reads."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from psycopg2 import errors

from tidegate.database.asking import fetch_one
from tidegate.database.connect import connected
from tidegate.database.look import DEFAULT_VERSION_TABLE, look
from tidegate.doctor import objects, past, traffic
from tidegate.doctor.files import Entry, Files, recorded_entries
from tidegate.doctor.finding import KINDS, Finding
from tidegate.doctor.partitions import incomplete_partitioned_indexes
from tidegate.doctor.steps import half_done_steps
from tidegate.errors import DatabaseRefused, UsageError
from tidegate.project.graph import read_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement
    from tidegate.report.target import Target

DEFAULT_OLDER_THAN = "5m"
"""An open transaction that does nothing is told from this age on; one of a request lives for seconds."""


LOCK_TIMEOUT = "100ms"
"""How long the doctor waits for a lock of somebody's before it does without."""


class Examination(NamedTuple):
    """What is examined, and what is known before it begins."""

    target: Target
    connection: Connection
    graph: Graph | None
    """Nothing where the revision files cannot be read."""
    broken: UsageError | None
    """Why they cannot be read."""
    older_than_s: float = 300.0

    def findings(self) -> list[Finding]:
        """Everything that is found, each kind together, in the order of `KINDS`."""
        self._never_wait()
        found = {finding._replace(what=self.shown(finding.what)): None for finding in self._all()}
        order = list(KINDS)
        return sorted(found, key=lambda finding: order.index(finding.kind))

    def _never_wait(self) -> None:
        """Doctors are asked when nothing moves: some functions of the catalogue lock what they describe."""
        fetch_one(self.connection, "SELECT set_config('lock_timeout', %s, false)", (LOCK_TIMEOUT,))

    def shown(self, text: str) -> str:
        """The text without passwords, and without what a query or a name could do to a terminal."""
        return "".join(c if c.isprintable() else "�" for c in self.target.database.redact(text))

    def _all(self) -> Iterator[Finding]:
        connection, graph, options = self.connection, self.graph, command_options(self.target)
        seen, notes = self._look()
        yield from notes
        yield from self._visible("the record of revisions", lambda: self._files(seen, options))
        yield from self._visible("indexes of partitioned tables", lambda: incomplete_partitioned_indexes(connection))
        for source in (
            objects.invalid_indexes,
            objects.not_valid_constraints,
            objects.pending_detaches,
            past.lock_holders,
            traffic.orphans,
            traffic.hidden_sessions,
        ):
            yield from source(connection)
        yield from traffic.idle_transactions(connection, self.older_than_s)
        yield from traffic.prepared_transactions(connection, self.older_than_s)
        for runs in (past.unfinished_runs, half_done_steps):
            yield from self._visible("the record of runs", lambda runs=runs: runs(connection, graph, seen, options))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def _files(self, seen: Judgement | None, options: str) -> Iterator[Finding]:
        recorded = recorded_entries(self.connection)
        if self.graph is None:
            yield _unreadable(self.broken, recorded)
        elif seen is not None:
            files = Files(self.graph, seen, recorded, options)
            for source in (files.several_heads, files.strangers, files.missing, files.edited, files.unrecorded):
                yield from source()

    def _look(self) -> tuple[Judgement | None, list[Finding]]:
        if self.graph is None:
            return None, []
        table = self.target.project.version_table
        try:
            return look(self.connection, self.graph, table), []
        except errors.LockNotAvailable:
            return None, [
                Finding("not_visible", "where the database is: the version table is locked", advice="ask again")
            ]
        except DatabaseRefused as exc:
            name = table or DEFAULT_VERSION_TABLE
            grant = f"GRANT SELECT ON {name} TO {self._role()};"
            return None, [Finding("not_visible", f"where the database is: {exc.message}", (grant,))]

    def _visible(self, what: str, source: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """What a source finds, or a note that this role may not see it."""
        try:
            return list(source())
        except errors.InsufficientPrivilege as exc:
            grant = f"GRANT SELECT ON ALL TABLES IN SCHEMA tidegate TO {self._role()};"
            return [Finding("not_visible", f"{what}: {exc.diag.message_primary}", (grant,))]
        except errors.LockNotAvailable:
            return [Finding("not_visible", f"{what}: somebody locks them just now", advice="ask again")]

    def _role(self) -> str:
        return str(fetch_one(self.connection, "SELECT quote_ident(current_user)")[0])


def examine(target: Target, *, older_than_s: float) -> list[Finding]:
    """Everything that is found in the target's database, over a session that the server itself keeps from writing."""
    graph, broken = graph_of(target)
    with connected(target.database, wait_s=target.waits.for_db_s, purpose="doctor") as connection:
        connection.set_session(readonly=True)
        return Examination(target, connection, graph, broken, older_than_s).findings()


def damage_in(target: Target, connection: Connection, graph: Graph) -> list[Finding]:
    """The damage alone, for verbs that have a connection and the graph at hand."""
    return [finding for finding in Examination(target, connection, graph, None).findings() if finding.is_damage]


def graph_of(target: Target) -> tuple[Graph | None, UsageError | None]:
    """The code's graph, or why there is none: a missing file must not keep the rest from being examined."""
    try:
        return read_graph(target.project), None
    except UsageError as exc:
        return None, exc


def command_options(target: Target) -> str:
    """The options that a command needs to find the same project from the same folder."""
    project = target.project
    options = ["-c", project.config_file] if project.config_file not in {None, "alembic.ini"} else []
    options += ["-n", project.section] if project.section != "alembic" else []
    return "".join(f" {shlex.quote(str(word))}" for word in options)


def _unreadable(broken: UsageError | None, recorded: dict[str, Entry]) -> Finding:
    said = broken.message if broken else ""
    name = broken.__cause__.args[0] if broken and isinstance(broken.__cause__, KeyError) else None
    if (entry := recorded.get(str(name))) is None:
        hint = broken.hint if broken else None
        return Finding("unreadable_files", said, advice=hint or "mend the file; `alembic history` says more")
    return Finding(
        "missing_file",
        f"{said}; {entry.when}",
        advice=f"bring the file back: `git log --all -S {name}` in the folder of the revisions says who removed it",
    )
