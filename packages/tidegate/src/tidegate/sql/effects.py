"""What a statement will lock and do, told from its text alone: no database is asked.

Read from PostgreSQL's own parse tree, statement by statement. What the text cannot tell: the table of an index that
is dropped, the partitions of a table, the tables at the other end of foreign keys that are dropped, what a function
or a DO block does.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.sql.found import Found
    from tidegate.sql.parse_tree import Name


class Relation(NamedTuple):
    """A lock on a relation, named as in the statement; without a schema the search path decides."""

    schema: str | None
    name: str
    mode: str
    """As in `pg_locks`: `AccessExclusiveLock`."""


class NewIndex(NamedTuple):
    """The index of a CREATE INDEX CONCURRENTLY."""

    schema: str | None
    name: str | None
    table_schema: str | None
    table: str
    if_not_exists: bool


class Statement(NamedTuple):
    """One statement of a text."""

    sql: str
    kind: str
    """For people: `ALTER TABLE`, `CREATE INDEX CONCURRENTLY`."""
    locks: tuple[Relation, ...]
    """On relations that exist before, the strongest for each."""
    runs_alone: bool
    """It cannot run in a transaction block: CONCURRENTLY, VACUUM and their like."""
    takes_its_time: bool
    """A lock timeout would only harm: it waits without anybody waiting behind it (CONCURRENTLY, VALIDATE alone)."""
    is_repeatable: bool
    """Once more after it was committed does no harm and is no error."""
    sets_lock_timeout: bool
    ends_transaction: bool
    new_index: NewIndex | None
    """Of CREATE INDEX CONCURRENTLY only."""
    drops_index: tuple[tuple[str | None, str], ...]
    """Of DROP INDEX CONCURRENTLY: schema and name."""
    effects: tuple[str, ...]
    """What people should know: `rewrites the table`, `breaks the old version: …`."""
    creates: tuple[tuple[str | None, str], ...] = ()
    """Relations that it makes: what later statements do to them concerns nobody else."""


def read_statements(sql: str, created: Iterable[tuple[str | None, str]] = ()) -> tuple[Statement, ...] | None:
    """The statements of a text, in order; nothing where the text cannot be parsed. Never raises for a text.

    Args:
        created: The `creates` of earlier statements of the same revision.
    """
    from tidegate.sql.parse_tree import Name, parse

    parsed = parse(sql)
    if parsed is None:
        return None
    new = [Name(*pair) for pair in created]
    statements = []
    for one in parsed:
        found = _read(one.kind, one.node, new)
        new += found.creates
        statements.append(_statement(one.sql, found))
    return tuple(statements)


def _read(kind: str, node: object, new: list[Name]) -> Found:
    from tidegate.sql import ddl, dml, maintenance
    from tidegate.sql.found import UNKNOWN, Found

    for readers in (ddl.READERS, dml.READERS, maintenance.READERS):
        if kind in readers:
            name, reader = readers[kind]
            found = Found(name, new)
            reader(node, found)
            return found
    found = Found(kind.removesuffix("_stmt").replace("_", " ").upper(), new)
    found.say(UNKNOWN)
    return found


def _statement(sql: str, found: Found) -> Statement:
    from tidegate.sql.found import strength

    strongest: dict[Name, str] = {}
    for name, mode in found.locks:
        if name not in strongest or strength(mode) > strength(strongest[name]):
            strongest[name] = mode
    index = None
    if found.new_index is not None:
        own, table, if_not_exists = found.new_index
        index = NewIndex(own.schema if own else None, own.name if own else None, *table, if_not_exists)
    return Statement(
        sql=sql,
        kind=found.kind,
        locks=tuple(Relation(*name, mode) for name, mode in strongest.items()),
        runs_alone=found.runs_alone,
        takes_its_time=found.takes_its_time,
        is_repeatable=found.is_repeatable,
        sets_lock_timeout=found.sets_lock_timeout,
        ends_transaction=found.ends_transaction,
        new_index=index,
        drops_index=tuple((name.schema, name.name) for name in found.drops_index),
        effects=tuple(found.effects),
        creates=tuple((name.schema, name.name) for name in found.creates),
    )
