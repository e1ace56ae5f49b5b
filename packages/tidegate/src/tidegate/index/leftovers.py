"""What a DROP INDEX, REINDEX or DETACH PARTITION … CONCURRENTLY left behind when it was cut off. Only looks."""

from __future__ import annotations

import re
from typing import Literal

from tidegate.database.asking import fetch_all
from tidegate.index.catalog import builder_of, find_relation, indexes_of
from tidegate.index.definition import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

_TABLES = """
WITH root AS (SELECT coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = %s), %s) AS oid),
     tree AS (SELECT oid FROM root UNION SELECT t.relid FROM root, pg_partition_tree(root.oid::regclass) t)
SELECT oid FROM tree UNION SELECT reltoastrelid FROM tree JOIN pg_class USING (oid) WHERE reltoastrelid <> 0
"""
"""The table that is meant or whose index is meant, its partitions, and the TOAST tables of them all."""

_TABLES_OF_MANY = """
WITH main AS (
    SELECT c.oid, c.reltoastrelid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname = coalesce(%s, n.nspname)
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
)
SELECT oid FROM main UNION SELECT reltoastrelid FROM main WHERE reltoastrelid <> 0
"""
"""What REINDEX SCHEMA or DATABASE … CONCURRENTLY goes through: the system's own tables it leaves out."""


def judge_drop(
    connection: Connection, name: tuple[str | None, str], *, search_path: Iterable[str] = ()
) -> Literal["drop", "absent"]:
    """Whether the index (schema, name) of a DROP INDEX CONCURRENTLY is there; one cut off leaves it there, INVALID."""
    with scratch(connection, search_path):
        return "absent" if find_relation(connection, *name) is None else "drop"


def reindex_leftovers(connection: Connection, sql: str, *, search_path: Iterable[str] = ()) -> tuple[str, ...]:
    """What to execute before this REINDEX … CONCURRENTLY: DROPs of what a failed one left INVALID.

    A failed REINDEX leaves `NAME_ccnew`, or `NAME_ccold` if it had swapped the two already, and the next failed one
    another (PostgreSQL manual, REINDEX, "Rebuilding Indexes Concurrently"). One that somebody builds now is left alone.
    REINDEX SCHEMA and DATABASE go through their tables one by one, and pass over what is INVALID (there).

    Raises:
        TableBusy: Somebody holds a partition exclusively.
    """
    import postgast

    statement = postgast.parse(sql).stmts[0].stmt.reindex_stmt
    relation = statement.relation
    with scratch(connection, search_path):
        is_one = statement.kind == postgast.pg_query_pb2.REINDEX_OBJECT_INDEX
        if relation.relname:
            oid = find_relation(connection, relation.schemaname or None, relation.relname)
            rows = [] if oid is None else fetch_all(connection, _TABLES, (oid, oid))
        else:
            is_schema = statement.kind == postgast.pg_query_pb2.REINDEX_OBJECT_SCHEMA
            rows = fetch_all(connection, _TABLES_OF_MANY, (statement.name if is_schema else None,))
        tables = [row[0] for row in rows]
        return tuple(
            index.drop
            for index in indexes_of(connection, tables)
            if not index.is_usable
            and _is_leftover(index.name, relation.relname if is_one else None)
            and builder_of(connection, index) is None
        )


def pending_detach(
    connection: Connection, partition: tuple[str | None, str], *, search_path: Iterable[str] = ()
) -> str | None:
    """What to execute in place of a DETACH PARTITION … CONCURRENTLY that was cut off after its first half.

    Nothing when the partition (schema, name) is not in that state. Repeating the statement itself fails with
    "already pending detach".
    """
    with scratch(connection, search_path):
        rows = fetch_all(
            connection,
            "SELECT format('ALTER TABLE %%I.%%I DETACH PARTITION %%I.%%I FINALIZE', "
            "pn.nspname, p.relname, cn.nspname, c.relname) FROM pg_inherits h "
            "JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace "
            "JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace "
            "WHERE h.inhrelid = %s AND (to_jsonb(h) ->> 'inhdetachpending')::boolean",
            (find_relation(connection, *partition) or 0,),
        )
    return rows[0][0] if rows else None


def is_detached(
    connection: Connection,
    parent: tuple[str | None, str],
    partition: tuple[str | None, str],
    *,
    search_path: Iterable[str] = (),
) -> bool:
    """Whether both tables (schema, name) are there and the one is no partition of the other (any more)."""
    with scratch(connection, search_path):
        oids = find_relation(connection, *parent), find_relation(connection, *partition)
        query = "SELECT 1 FROM pg_inherits WHERE inhparent = %s AND inhrelid = %s"
        return None not in oids and not fetch_all(connection, query, oids)


def _is_leftover(name: str, of: str | None) -> bool:
    """Whether REINDEX made this name, from the name of that one index or from any.

    PostgreSQL cuts the name in front of the suffix so that the whole has at most 63 bytes.
    """
    match = re.fullmatch(r"(.+)_cc(?:new|old)\d*", name, re.DOTALL)
    if match is None or of is None:
        return match is not None
    stem = match.group(1)
    return stem == of or (len(name.encode()) > 59 and of.startswith(stem))
