"""What to do about a CREATE INDEX CONCURRENTLY, given what stands in the database under that name.

Such a statement is no transaction: cut off in the middle it leaves an index that is INVALID, takes its share of every
write and serves no query; repeated, it fails on the name, or with IF NOT EXISTS calls that index a success. So before
it is sent, somebody looks. Everything here only looks; the caller executes what a verdict says.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from tidegate.database.asking import fetch_one
from tidegate.index.catalog import Index, beside_table, builder_of, find_relation, indexes_of
from tidegate.index.definition import (
    CannotCompare,
    TableBusy,
    as_statement,
    definition,
    differences,
    scratch,
    wanted_definition,
)
from tidegate.index.leftovers import is_detached, judge_drop, pending_detach, reindex_leftovers
from tidegate.index.progress import BuildProgress, OpenTransaction, build_progress, old_snapshots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.sql.effects import NewIndex

__all__ = [
    "BuildProgress",
    "OpenTransaction",
    "TableBusy",
    "Verdict",
    "build_progress",
    "is_detached",
    "judge_drop",
    "judge_index",
    "old_snapshots",
    "pending_detach",
    "reindex_leftovers",
]


class Verdict(NamedTuple):
    """What to do about a CREATE INDEX CONCURRENTLY."""

    action: Literal["build", "skip", "rebuild", "refuse", "wait"]
    """`build`: send it. `skip`: it is there, valid and the same. `rebuild`: execute `drops`, then send it.
    `refuse`: stop, since nothing we could do is right. `wait`: ask again in a moment."""
    drops: tuple[str, ...] = ()
    """Complete statements, each to be executed outside a transaction."""
    reason: str = ""
    """For people; empty for `build`."""
    hint: str = ""
    """The way out of a `refuse`."""


def judge_index(connection: Connection, sql: str, wanted: NewIndex, *, search_path: Iterable[str] = ()) -> Verdict:
    """What to do about this CREATE [UNIQUE] INDEX CONCURRENTLY. `IF NOT EXISTS` in it changes nothing.

    Args:
        connection: In autocommit mode and idle; it is used for a transaction that is rolled back.
        sql: The statement as the server gets it.
        search_path: Schemas that the session which will execute it looks in; without any, those of this connection.
    """
    try:
        with scratch(connection, search_path):
            table = find_relation(connection, wanted.table_schema, wanted.table)
            if table is None:
                return Verdict("build")  # the server has the best words for that
            if fetch_one(connection, "SELECT relkind = 'p' FROM pg_class WHERE oid = %s", (table,))[0]:
                return _judge_partitioned(wanted.table)
            if wanted.name is None:
                return _judge_unnamed(connection, sql, table)
            found = beside_table(connection, table, wanted.name)
            return Verdict("build") if found is None else _judge_found(connection, sql, table, found)
    except TableBusy:
        return Verdict("wait", reason=f"somebody holds `{wanted.table}` exclusively, so its indexes cannot be compared")
    except CannotCompare as exc:
        return _cannot_compare(wanted.name or f"an index of {wanted.table}", str(exc))


def _judge_found(connection: Connection, sql: str, table: int, found: Index) -> Verdict:
    if obstacle := _obstacle(connection, table, found):
        return Verdict(
            "refuse",
            reason=f"the name `{found.shown}` is taken by {obstacle}",
            hint="give the new index a name of its own in the revision",
        )
    if not found.is_usable:
        return _judge_invalid(connection, found)
    if not (parts := differences(connection, sql, table, found.oid)):
        return Verdict("skip", reason=f"`{found.shown}` is there already, valid and the same")
    return Verdict(
        "refuse",
        reason=f"`{found.shown}` is there already, valid, but another one (it differs in {', '.join(parts)})\n"
        f"    there:  {as_statement(connection, found.oid)}\n    wanted: {' '.join(sql.split())}",
        hint=f"give the new index a name of its own, or remove the one that is there if nothing needs it: "
        f"`{found.drop}`",
    )


def _obstacle(connection: Connection, table: int, found: Index) -> str | None:
    """What else than an index of ours bears the name."""
    if found.table is None:
        return "something that is no index"
    if found.table != table:
        return f"an index of another table: `{as_statement(connection, found.oid)}`"
    return f"the index of a constraint: `{as_statement(connection, found.oid)}`" if found.constraint else None


def _judge_invalid(connection: Connection, found: Index) -> Verdict:
    if builder := builder_of(connection, found):
        return Verdict("wait", reason=f"`{found.shown}` is being built by {builder}")
    if found.is_attached:
        return Verdict(
            "refuse",
            reason=f"`{found.shown}` is INVALID and a part of a partitioned table's index, so it cannot be dropped",
            hint=f"build it anew where it stands: `REINDEX INDEX CONCURRENTLY {found.shown}`",
        )
    return Verdict("rebuild", (found.drop,), f"`{found.shown}` is INVALID: an earlier build of it did not finish")


def _judge_unnamed(connection: Connection, sql: str, table: int) -> Verdict:
    """PostgreSQL would choose another name each time, and a repetition would build the same index once more."""
    wanted, name = wanted_definition(connection, sql, table)
    candidates = [
        index
        for index in indexes_of(connection, [table])
        if not index.constraint and _is_chosen_like(index.name, name) and definition(connection, index.oid) == wanted
    ]
    for index in candidates:
        if index.is_usable:
            return Verdict("skip", reason=f"`{index.shown}` is there already, valid and the same")
    verdicts = [_judge_invalid(connection, index) for index in candidates]
    for verdict in verdicts:
        if verdict.action != "rebuild":
            return verdict
    if not verdicts:
        return Verdict("build")
    return Verdict("rebuild", tuple(drop for verdict in verdicts for drop in verdict.drops), verdicts[0].reason)


def _is_chosen_like(name: str, first_choice: str) -> bool:
    """Whether PostgreSQL may have chosen `name` when its first choice was taken: `t_x_idx1`.

    It shortens the parts before `_idx` when the whole has more than 63 bytes; then their beginning has to do.
    """
    (stem, is_choice), (first_stem, _) = _stem(name), _stem(first_choice)
    is_shortened = len(first_choice.encode()) > 60
    return is_choice and (stem == first_stem or (is_shortened and stem[:16] == first_stem[:16]))


def _stem(name: str) -> tuple[str, bool]:
    stem, count = re.subn(r"_idx\d*\Z", "", name)
    return stem, bool(count)


def _judge_partitioned(table: str) -> Verdict:
    return Verdict(
        "refuse",
        reason=f"`{table}` is partitioned, and PostgreSQL builds no index of a partitioned table CONCURRENTLY",
        hint=f"`CREATE INDEX … ON ONLY {table}`, then CREATE INDEX CONCURRENTLY on each partition, then "
        "`ALTER INDEX … ATTACH PARTITION …` for each of those",
    )


def _cannot_compare(name: str, said: str) -> Verdict:
    return Verdict(
        "refuse",
        reason=f"`{name}` is there already and valid, but could not be compared with the one that is wanted: {said}",
        hint="`GRANT TEMPORARY ON DATABASE … TO …` for the comparison, or remove the index that is there if it is not "
        "the one that is wanted",
    )
