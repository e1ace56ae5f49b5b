"""Before a statement with CONCURRENTLY is sent: what an earlier one left behind, and whether it would wait for ever.

None of these statements is a transaction. Cut off, each leaves something else behind, and repeating it as it
stands either fails or hides that. Only looks; what is to be executed is in the answer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tidegate.database.asking import fetch_all
from tidegate.database.lock import FENCE, key_halves
from tidegate.index.verdict import TableBusy, is_detached, judge_drop, judge_index, pending_detach, reindex_leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.sql.effects import Statement


class Preparation(NamedTuple):
    """What to do before the statement, and whether to send it."""

    verdict: Literal["go", "skip", "wait", "refuse"]
    first: tuple[str, ...] = ()
    """Complete statements, each to be executed outside a transaction."""
    reason: str = ""
    hint: str = ""
    """The way out of a `refuse`."""


def prepare(
    connection: Connection, statement: Statement, *, pid: int, search_path: Sequence[str], is_repetition: bool
) -> Preparation:
    """Look what stands where the statement is to act.

    Args:
        connection: In autocommit mode and idle.
        pid: The session that will execute it.
        is_repetition: An earlier attempt may have got as far as this before it was cut off.
    """
    if own := _own_snapshot(connection, pid):
        return Preparation(
            "refuse",
            reason=f"another session of this migration (pid {own}) has a transaction open that sees a snapshot, and "
            f"{statement.kind} would wait for it for ever",
            hint="commit or close that connection, in `env.py` or in the revision, before the autocommit block",
        )
    try:
        return _look(connection, statement, search_path, is_repetition=is_repetition)
    except TableBusy:
        return Preparation("wait", reason="somebody holds the table exclusively")


def _look(
    connection: Connection, statement: Statement, search_path: Sequence[str], *, is_repetition: bool
) -> Preparation:
    if statement.new_index is not None:
        found = judge_index(connection, statement.sql, statement.new_index, search_path=search_path)
        verdict: Literal["go", "skip", "wait", "refuse"]
        verdict = "go" if found.action in {"build", "rebuild"} else found.action  # type: ignore[assignment]  # the other three
        return Preparation(verdict, found.drops, found.reason, found.hint)
    if statement.drops_index and is_repetition:
        found_there = [
            judge_drop(connection, name, search_path=search_path) == "drop" for name in statement.drops_index
        ]
        return Preparation("go") if any(found_there) else Preparation("skip", reason="the index is gone already")
    if statement.kind.startswith("REINDEX"):
        drops = reindex_leftovers(connection, statement.sql, search_path=search_path)
        return Preparation("go", drops, "an earlier REINDEX was cut off" if drops else "")
    if "DETACH" in statement.kind:
        return _look_at_detach(connection, statement, search_path, is_repetition=is_repetition)
    return Preparation("go")


def _look_at_detach(
    connection: Connection, statement: Statement, search_path: Sequence[str], *, is_repetition: bool
) -> Preparation:
    if len(statement.locks) != 2:  # the same revision has made one of the two, so nothing was cut off
        return Preparation("go")
    parent, partition = ((lock.schema, lock.name) for lock in statement.locks)
    if finalize := pending_detach(connection, partition, search_path=search_path):
        return Preparation("skip", (finalize,), "an earlier DETACH was cut off after its first half")
    if is_repetition and is_detached(connection, parent, partition, search_path=search_path):
        return Preparation("skip", reason="the partition is detached already")
    return Preparation("go")


def _own_snapshot(connection: Connection, pid: int) -> int | None:
    """Another working session of this run that an index build would wait for."""
    rows = fetch_all(
        connection,
        "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = %s AND l.objid = %s "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND a.pid <> %s AND a.backend_xmin IS NOT NULL LIMIT 1",
        (*key_halves(FENCE), pid),
    )
    return rows[0][0] if rows else None
