"""All checks together: the verdict, the findings, and what the pending revisions would do."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import NamedTuple

import psycopg2
from psycopg2.errors import LockNotAvailable

from tidegate.check.finding import NO_GO, OK, SEVERITIES, WARNING, Finding, exit_code_of
from tidegate.check.privileges import check_privileges
from tidegate.check.session import check_connections, check_damage, check_lock, check_server
from tidegate.check.tables import check_blockers, check_snapshots, check_work, touched_tables
from tidegate.database.answer import HeldUp
from tidegate.database.connect import connected
from tidegate.database.look import DEFAULT_VERSION_TABLE
from tidegate.database.record import recorded_version_table
from tidegate.doctor.examination import damage_in
from tidegate.errors import DatabaseRefused, DatabaseUnreachable, PoolerInTheWay
from tidegate.project.graph import read_graph
from tidegate.report.forecast import Forecast, look_ahead
from tidegate.report.plan import forecast_as_json, heading, notes_on, notes_on_revision, show_locks, show_mode
from tidegate.run.request import WAYS_OUT
from tidegate.sql.found import BREAKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.check.tables import Table
    from tidegate.project.graph import Graph
    from tidegate.report.state import Judgement
    from tidegate.report.target import Target
    from tidegate.sql.effects import Statement


_SETTINGS = {"default_transaction_read_only": "on", "lock_timeout": "100ms", "statement_timeout": "30s"}
"""Of our own session while it looks."""

LATER = "check again in a moment; `pg_stat_activity` shows whose transaction it is"

SQL_SHOWN = 100
"""How much of a statement is shown, in characters; `tidegate plan` shows all of it."""


class Report(NamedTuple):
    """What `tidegate check` shows."""

    findings: list[Finding]
    judgement: Judgement | None = None
    """Nothing where the database could not be asked."""
    forecast: Forecast = Forecast(())
    tables: list[Table] = []  # noqa: RUF012 - a default that nobody changes

    @property
    def exit_code(self) -> int:
        """0 for go."""
        return exit_code_of(self.findings)

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        return {
            "verdict": "no-go" if self.exit_code else "go",
            "exit_code": self.exit_code,
            "state": self.judgement.state if self.judgement else None,
            "current": list(self.judgement.current) if self.judgement else None,
            "pending": [one.revision.id for one in self.forecast.revisions],
            "findings": [finding.as_json() for finding in self._sorted()],
            "tables": [table.as_json() for table in self.tables],
            **forecast_as_json(self.forecast),
        }

    def as_text(self) -> str:
        """The same for people: the verdict first, then what stands in the way, then what is fine."""
        total = len(self.forecast.revisions)
        warnings = sum(finding.severity == WARNING for finding in self.findings)
        verdict = f"no-go (exit code {self.exit_code})" if self.exit_code else "go"
        verdict += f", {warnings} warning{'' if warnings == 1 else 's'}" if warnings else ""
        lines = [verdict, "", *(finding.as_text() for finding in self._sorted())]
        lines += [""] if self.tables else []
        lines += [f"table    {table.name:12} {table.size}, {show_mode(table.mode)}" for table in self.tables]
        for number, one in enumerate(self.forecast.revisions, 1):
            lines += ["", heading(one, number, total), *(f"    {note}" for note in notes_on_revision(one))]
            lines += [line for statement in one.foreseen for line in _statement_lines(statement)]
            lines += [f"    not parsed: {' '.join(text.split())[:80]}" for text in one.unreadable]
        return "\n".join(lines)

    def _sorted(self) -> list[Finding]:
        return sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))


def check(target: Target, *, as_role: str | None = None, x_arguments: tuple[str, ...] = ()) -> Report:
    """Whether the pending revisions can be applied now, as far as it can be told by looking.

    Args:
        as_role: The role that will migrate, where it is not the one that looks.

    Raises:
        UsageError: The revision files contradict each other.
    """
    graph = read_graph(target.project)
    try:
        with connected(target.database, wait_s=target.waits.for_db_s, purpose="check") as connection:
            server = check_server(connection, target.database)
            if server.exit_code == PoolerInTheWay.exit_code:
                return Report([server])  # whatever is set through it, the application's sessions get
            with _only_reading(connection):
                try:
                    found = _check(connection, target, graph, as_role=as_role, x_arguments=x_arguments)
                except (LockNotAvailable, HeldUp) as exc:
                    what = f"somebody holds a table that is needed to look: {exc.diag.message_primary or exc}"
                    return Report([server, Finding("lock", NO_GO, what, hint=LATER, exit_code=11)])
                return found._replace(findings=[server, *found.findings])
    except (DatabaseRefused, DatabaseUnreachable) as exc:
        return Report([Finding("database", NO_GO, exc.message, hint=exc.hint or "", exit_code=exc.exit_code)])


def _statement_lines(statement: Statement) -> list[str]:
    sql = " ".join(statement.sql.split())
    lines = [f"    {sql[:SQL_SHOWN]}{'…' if len(sql) > SQL_SHOWN else ''}"]
    return lines + [f"        {text}" for text in (show_locks(statement), *statement.effects) if text]


@contextmanager
def _only_reading(connection: Connection) -> Iterator[None]:
    """Nothing that we do can write, and nobody waits for us."""
    with connection.cursor() as cursor:
        for name, value in _SETTINGS.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    try:
        yield
    finally:
        with (
            connection.cursor() as cursor,
            suppress(psycopg2.Error),
        ):  # a pooler may give the session to the next client
            for name in _SETTINGS:
                cursor.execute(f"RESET {name}")


def _check(
    connection: Connection, target: Target, graph: Graph, *, as_role: str | None, x_arguments: tuple[str, ...]
) -> Report:
    now, forecast = look_ahead(connection, target, graph, x_arguments=x_arguments)
    statements = [statement for one in forecast.revisions for statement in one.foreseen]
    tables = touched_tables(connection, forecast)
    findings = [
        _state(now),
        *_forecast(forecast),
        *_compatibility(forecast),
        *check_work(connection, forecast, tables),
    ]
    older_than_s = target.waits.pace.lock_timeout_s
    findings += [
        *check_blockers(connection, tables, older_than_s=older_than_s),
        *check_snapshots(connection, statements),
    ]
    findings += [check_lock(connection), check_connections(connection, as_role)]
    findings += check_damage(damage_in(target, connection, graph), _indexes(statements))
    if forecast.revisions:
        where = target.project.version_table or forecast.version_table or recorded_version_table(connection)
        findings += check_privileges(
            connection, statements, tables, version_table=where or DEFAULT_VERSION_TABLE, as_role=as_role
        )
    return Report(findings, now, forecast, tables)


def _indexes(statements: list[Statement]) -> list[str]:
    """The names of the indexes that are built or dropped concurrently."""
    built = [statement.new_index.name for statement in statements if statement.new_index and statement.new_index.name]
    return built + [name for statement in statements for _, name in statement.drops_index]


def _state(now: Judgement) -> Finding:
    what = f"{now.state}: {now.reason}"
    if now.state in WAYS_OUT:
        return Finding("state", NO_GO, what, hint=WAYS_OUT[now.state], exit_code=now.exit_code)
    if now.state == "empty":
        what = f"{now.state}: {len(now.pending)} pending, the first is `{now.pending[0].id}`"
    return Finding("state", OK, what)


def _forecast(forecast: Forecast) -> list[Finding]:
    found = [Finding("revisions", OK, note) for note in notes_on(forecast) if not forecast.failed]
    if forecast.failed:
        what = f"Alembic cannot load or render the revisions: {forecast.failed}"
        found.append(Finding("revisions", NO_GO, what, hint="`alembic upgrade head --sql` shows where", exit_code=64))
    for one in forecast.revisions:
        if one.problem is not None and not forecast.failed:
            what = f"what revision {one.revision.id} does is known in part only: {one.problem}"
            why = "it asks the database something, so it cannot be rendered beforehand"
            found.append(Finding("revisions", WARNING, what, why, "read the file before you go"))
    return found


def _compatibility(forecast: Forecast) -> list[Finding]:
    """What breaks the version of the application that still runs, in revisions that are not marked for it."""
    found = []
    for one in forecast.revisions:
        breaks = [
            effect.removeprefix(BREAKS) for s in one.foreseen for effect in s.effects if effect.startswith(BREAKS)
        ]
        if breaks and one.revision.phase != "contract":
            what = f"revision {one.revision.id} breaks the version that runs now: {'; '.join(dict.fromkeys(breaks))}"
            hint = 'stop the old version first; or put it in a later revision with `phase = "contract"`'
            found.append(Finding("phases", WARNING, what, hint=hint))
    return found
