"""`tidegate plan`: the SQL of the pending revisions and what it locks, nothing executed."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.connect import connected
from tidegate.errors import UsageError
from tidegate.project.graph import read_graph
from tidegate.report.forecast import Forecast, foresee, look_ahead
from tidegate.run.request import is_done, spelled_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.project.graph import Graph, Revision
    from tidegate.report.forecast import Foreseen
    from tidegate.report.target import Target
    from tidegate.sql.effects import Statement


class Plan(NamedTuple):
    """What `tidegate plan` shows."""

    current: tuple[str, ...]
    forecast: Forecast

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        return {"current": list(self.current), **forecast_as_json(self.forecast)}

    def as_text(self) -> str:
        """SQL with comments, to be read; Alembic's own bookkeeping is not in it."""
        at = ", ".join(self.current) or "an empty database"
        total = len(self.forecast.revisions)
        if not total:
            return f"-- nothing is pending: the database is at {at}"
        count = f"{total} revision{'' if total == 1 else 's'}"
        lines = [f"-- {count} from {at}; nothing was executed; without the rows of Alembic's version table"]
        lines += [f"-- {note}" for note in notes_on(self.forecast)]
        for number, one in enumerate(self.forecast.revisions, 1):
            lines += ["", *_revision_lines(one, number, total)]
        return "\n".join(lines)


def make_plan(target: Target, revision: str, start: str | None, x_arguments: tuple[str, ...]) -> Plan:
    """The plan from where the database is, or from `start`, which needs no database.

    Raises:
        UsageError: There is no such revision.
        WrongSchema: The database is where this code cannot go on from.
    """
    graph = read_graph(target.project)
    if start is not None:
        current: tuple[str, ...] = () if start == "base" else (_resolved(graph, start).id,)
        pending = graph.pending(graph.closure(current))
        return Plan(current, foresee(target, _chosen(graph, pending, revision), x_arguments))
    with connected(target.database, wait_s=target.waits.for_db_s, purpose="plan") as connection:
        now, forecast = look_ahead(
            connection, target, graph, choose=lambda some: _chosen(graph, some, revision), x_arguments=x_arguments
        )
    if is_done(spelled_out(target.request("tidegate plan", target=revision), graph), graph, now):
        return Plan(now.current, Forecast(()))
    return Plan(now.current, forecast)


def forecast_as_json(forecast: Forecast) -> dict[str, Any]:
    """The revisions with their statements, as `plan` and `check` give them to scripts."""
    total = len(forecast.revisions)
    return {
        "notes": notes_on(forecast),
        "revisions": [
            {
                "id": one.revision.id,
                "number": number,
                "of": total,
                "phase": one.revision.phase,
                "title": one.title,
                "statements": [statement_as_json(statement) for statement in one.statements],
                "unreadable": list(one.unreadable),
                "problem": one.problem,
                "operations": list(one.operations),
                "locks_of_operations": [statement_as_json(statement) for statement in one.stand_ins],
                "notes": notes_on_revision(one),
            }
            for number, one in enumerate(forecast.revisions, 1)
        ],
    }


def statement_as_json(statement: Statement) -> dict[str, Any]:
    """One statement."""
    return {
        "sql": statement.sql,
        "kind": statement.kind,
        "locks": [{"schema": lock.schema, "relation": lock.name, "mode": lock.mode} for lock in statement.locks],
        "outside_transaction": statement.runs_alone,
        "effects": list(statement.effects),
    }


def notes_on(forecast: Forecast) -> list[str]:
    """What must be known of the forecast as a whole."""
    notes = []
    if forecast.failed:
        notes.append(f"Alembic cannot render these revisions as SQL: {forecast.failed}")
    if forecast.without_env_py:
        notes.append(f"rendered without `env.py`, which does not work offline: {forecast.without_env_py}")
    return notes


def notes_on_revision(one: Foreseen) -> list[str]:
    """What must be known of one revision."""
    notes = []
    if one.problem is not None:
        upto = ", only what stands before it" if one.statements else ""
        notes.append(f"cannot be rendered without the database{upto}: {one.problem}")
        notes.append(
            f"its file names: {'; '.join(one.operations)}" if one.operations else "its file names no operation"
        )
    elif one.is_told_apart:
        notes.append("its file asks whether it runs offline, so it may do something else when it really runs")
    return notes


def show_mode(mode: str) -> str:
    """`ACCESS EXCLUSIVE` for `AccessExclusiveLock`, as the manual writes it."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in mode.removesuffix("Lock"))
    return words.strip().upper()


def show_locks(statement: Statement) -> str:
    """`ACCESS EXCLUSIVE on orders, SHARE ROW EXCLUSIVE on users`."""
    return ", ".join(
        f"{show_mode(lock.mode)} on {f'{lock.schema}.' if lock.schema else ''}{lock.name}" for lock in statement.locks
    )


def heading(one: Foreseen, number: int, total: int) -> str:
    """`2 of 3: 4f1c (expand) add orders.total`."""
    phase = f" ({one.revision.phase})" if one.revision.phase else ""
    return f"{number} of {total}: {one.revision.id}{phase}{f' {one.title}' if one.title else ''}"


def _revision_lines(one: Foreseen, number: int, total: int) -> list[str]:
    lines = [f"-- {heading(one, number, total)}", *(f"-- {note}" for note in notes_on_revision(one))]
    if not one.foreseen and not one.unreadable and one.problem is None:
        lines.append("-- no statement")
    for statement in one.statements:
        lines += ["", *_comments(statement), *(line.rstrip() for line in f"{statement.sql};".split("\n"))]
    for text in one.unreadable:
        lines += ["", "-- cannot be parsed, so what it locks is not known", text]
    for statement in one.stand_ins:
        lines += ["", f"-- {statement.sql}", *_comments(statement)]
    return lines


def _comments(statement: Statement) -> list[str]:
    alone = ["outside of a transaction"] if statement.runs_alone else []
    return [f"--   {text}" for text in (show_locks(statement), *alone, *statement.effects) if text]


def _chosen(graph: Graph, pending: tuple[Revision, ...], revision: str) -> tuple[Revision, ...]:
    """What of the pending revisions leads to the one that is asked for."""
    if revision in {"head", "heads"}:
        return pending
    if revision.startswith("+") and revision[1:].isdecimal():
        return pending[: int(revision[1:])]
    wanted = graph.closure([_resolved(graph, revision).id])
    return tuple(one for one in pending if one.id in wanted)


def _resolved(graph: Graph, revision: str) -> Revision:
    """The revision of this id, or the only one whose id begins so."""
    if revision in graph:
        return graph[revision]
    found = [one for one in graph.pending(set()) if one.id.startswith(revision)]
    if len(found) != 1:
        raise UsageError(
            f"{'several revisions begin' if found else 'no revision begins'} with `{revision}`",
            hint="`alembic history` lists the revisions",
        )
    return found[0]
