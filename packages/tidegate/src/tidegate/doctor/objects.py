"""Damage that the catalogue shows: indexes, constraints and partitions that some statement left half made.

Every query reads what any role may read. What somebody is at work on just now is left out: that is
recognised by locks, since `pg_stat_progress_create_index` hides its columns from other roles.
"""

from __future__ import annotations

import re

from psycopg2 import errors

from tidegate.database.asking import fetch_all, fetch_one
from tidegate.doctor.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

_PARENT = "(SELECT inhparent FROM pg_inherits WHERE inhrelid = i.indexrelid)"

_LEFTOVER = re.compile(r'_cc(?:new|old)\d*"?$')
"""How REINDEX CONCURRENTLY names its copy, and the original once the copy has taken its place."""

_CONSTRAINTS = {"c": "check constraint", "f": "foreign key", "n": "NOT NULL constraint"}

NAME = (
    "(SELECT quote_ident(s.nspname) || '.' || quote_ident(r.relname) "
    "FROM pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace WHERE r.oid = {})"
)
"""The name of a relation, with its schema, quoted where it must be; nothing for no relation."""

SIZE = (
    "(SELECT pg_size_pretty(relpages * current_setting('block_size')::bigint) FROM pg_class "
    "WHERE oid = {} AND relpages > 0)"
)
"""About how large a relation is, from its last ANALYZE; nothing before the first. `pg_relation_size` would be exact and
waits for whoever locks the relation, just when somebody asks why nothing moves."""

AT_WORK = """
SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.relation = i.indexrelid OR l.relation = i.indrelid AND EXISTS (
        SELECT FROM pg_stat_progress_create_index p
        WHERE p.pid = l.pid AND coalesce(nullif(p.index_relid, 0), i.indexrelid) = i.indexrelid))
"""
"""Whether index `i` is being built, rebuilt or dropped. REINDEX and DROP CONCURRENTLY lock the index itself, CREATE its
table only, and the progress view names no index at first and to other roles never."""


def invalid_indexes(connection: Connection) -> Iterator[Finding]:
    """Indexes that a broken CREATE, REINDEX or DROP INDEX CONCURRENTLY left."""
    rows = fetch_all(
        connection,
        f"SELECT i.indexrelid, {NAME.format('i.indexrelid')}, {NAME.format('i.indrelid')}, "  # noqa: S608 - our own text, and so below
        f"{SIZE.format('i.indexrelid')}, {NAME.format(_PARENT)} "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid AND c.relkind = 'i' "
        f"AND c.relpersistence <> 't' AND NOT EXISTS ({AT_WORK}) ORDER BY 2",
    )
    for oid, name, table, size, parent in rows:
        what = f"index `{name}` on `{table}` is invalid{f' (about {size})' if size else ''}"
        drop = (f"DROP INDEX CONCURRENTLY {name};",)
        if parent:
            mend = (f"REINDEX INDEX CONCURRENTLY {name};", f"ALTER INDEX {parent} ATTACH PARTITION {name};")
            yield Finding("invalid_partition_index", f"{what}, a part of `{parent}`", mend)
        elif _LEFTOVER.search(name):
            yield Finding("reindex_leftover", what, drop, fix=drop, then="repeat the REINDEX if it is still wanted")
        else:
            yield Finding("invalid_index", what, drop, fix=drop, then=f"build it again{_definition(connection, oid)}")


def _definition(connection: Connection, index: int) -> str:
    """How to build it, unless somebody locks its table just now: `pg_get_indexdef` would wait for that."""
    try:
        definition = fetch_one(connection, "SELECT pg_get_indexdef(%s)", (index,))[0]
    except errors.LockNotAvailable:
        definition = None
    return f": {definition.replace('INDEX', 'INDEX CONCURRENTLY', 1)};" if definition else ""


def not_valid_constraints(connection: Connection) -> Iterator[Finding]:
    """Constraints that were added NOT VALID and never validated, NOT NULL of PostgreSQL 18 among them.

    One that is not enforced is meant so. A partition's is left out where its parent's is not valid either:
    validating that one validates both.
    """
    is_enforced = "AND k.conenforced" if connection.server_version >= 180000 else ""
    rows = fetch_all(
        connection,
        f"SELECT quote_ident(k.conname), k.contype, {NAME.format('k.conrelid')}, "  # noqa: S608 - constants
        "(SELECT quote_ident(s.nspname) || '.' || quote_ident(t.typname) FROM pg_type t "
        "JOIN pg_namespace s ON s.oid = t.typnamespace WHERE t.oid = k.contypid), "
        f"{SIZE.format('k.conrelid')} FROM pg_constraint k "
        f"WHERE NOT k.convalidated AND k.contype IN ('c', 'f', 'n') {is_enforced} "
        "AND NOT EXISTS (SELECT FROM pg_constraint p WHERE NOT p.convalidated AND (p.oid = k.conparentid OR "
        "k.coninhcount > 0 AND p.contype = k.contype AND (p.conname = k.conname OR k.contype = 'n') AND p.conrelid IN "
        "(SELECT inhparent FROM pg_inherits WHERE inhrelid = k.conrelid))) ORDER BY 3, 4, 1",
    )
    for name, kind, table, domain, size in rows:
        where = f"`{table or domain}`{f' (about {size})' if size else ''}"
        what = f"{_CONSTRAINTS[kind]} `{name}` on {where} was never validated"
        whose = f"TABLE {table}" if table else f"DOMAIN {domain}"
        validate = (f"ALTER {whose} VALIDATE CONSTRAINT {name};",)
        yield Finding("not_valid_constraint", what, validate, fix=validate)


def pending_detaches(connection: Connection) -> Iterator[Finding]:
    """Partitions whose DETACH CONCURRENTLY broke off. It holds no lock while it waits, so its text is looked for."""
    if connection.server_version < 140000:  # which cannot detach concurrently
        return
    rows = fetch_all(
        connection,
        f"SELECT {NAME.format('h.inhparent')}, {NAME.format('h.inhrelid')} FROM pg_inherits h "  # noqa: S608 - constants
        "WHERE h.inhdetachpending AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() "
        "AND a.state = 'active' AND a.pid <> pg_backend_pid() AND a.query ~* 'detach\\s+partition') ORDER BY 1, 2",
    )
    for parent, child in rows:
        finalize = (f"ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE;",)
        yield Finding("detach_pending", f"partition `{child}` of `{parent}` is half detached", finalize, fix=finalize)
