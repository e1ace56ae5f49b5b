"""Indexes of partitioned tables that are invalid because partitions lack their part: what gives them theirs."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.asking import fetch_all
from tidegate.doctor.finding import Finding
from tidegate.doctor.objects import AT_WORK, NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case


class _Index(NamedTuple):
    oid: int
    name: str
    table: str
    create: str
    """`CREATE INDEX` or `CREATE UNIQUE INDEX`."""
    body: str
    """Its definition behind `USING`."""
    constraint: str | None
    """`PRIMARY KEY` or `UNIQUE`, where it stands behind a constraint; then its parts must, too."""


class _Partition(NamedTuple):
    name: str
    schema: str
    new: str
    """A name for the index that it lacks."""
    is_leaf: bool
    part: str | None
    is_valid: bool | None


def incomplete_partitioned_indexes(connection: Connection) -> Iterator[Finding]:
    """One finding for each, with the commands for all of its partitions."""
    for index in _invalid(connection):
        partitions = _partitions(connection, index.oid)
        missing = [partition for partition in partitions if partition.part is None]
        if any(partition.is_valid is False for partition in partitions) or not partitions:
            continue  # the part is a finding of its own; mending that one mends this
        commands = [command for partition in missing for command in _give_part(connection, index, partition)]
        if not missing:  # attaching a part once more makes the server look at all of them
            commands = [f"ALTER INDEX {index.name} ATTACH PARTITION {partitions[0].part};"]
        lacks = f"lacks its part on {', '.join(f'`{p.name}`' for p in missing)}" if missing else "was never completed"
        what = f"index `{index.name}` of the partitioned table `{index.table}` {lacks}"
        yield Finding("incomplete_partitioned_index", what, tuple(commands))


def _invalid(connection: Connection) -> list[_Index]:
    rows = fetch_all(
        connection,
        f"SELECT i.indexrelid, {NAME.format('i.indexrelid')}, {NAME.format('i.indrelid')}, "  # noqa: S608 - our own text, and so below
        "CASE WHEN i.indisunique THEN 'CREATE UNIQUE INDEX' ELSE 'CREATE INDEX' END, pg_get_indexdef(i.indexrelid), "
        "CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' END "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u') "
        f"WHERE NOT i.indisvalid AND c.relkind = 'I' AND NOT EXISTS ({AT_WORK}) ORDER BY 2",
    )
    found = [_Index(*row) for row in rows]
    return [index._replace(body=index.body.partition(f" {index.table} USING ")[2]) for index in found]


def _partitions(connection: Connection, index: int) -> list[_Partition]:
    is_whole = "AND NOT t.inhdetachpending" if connection.server_version >= 140000 else ""
    rows = fetch_all(
        connection,
        f"SELECT {NAME.format('t.inhrelid')}, quote_ident(s.nspname), "  # noqa: S608 - constants
        "quote_ident(CASE WHEN octet_length(c.relname || '_' || ic.relname) <= 63 THEN c.relname || '_' || ic.relname "
        "ELSE left(ic.relname, 40) || '_' || c.oid END), c.relkind = 'r', "
        f"{NAME.format('part.indexrelid')}, part.indisvalid "
        "FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_inherits t ON t.inhparent = i.indrelid "
        f"{is_whole} JOIN pg_class c ON c.oid = t.inhrelid JOIN pg_namespace s ON s.oid = c.relnamespace "
        "LEFT JOIN (SELECT h.inhparent, x.* FROM pg_inherits h JOIN pg_index x ON x.indexrelid = h.inhrelid) part "
        "ON part.inhparent = i.indexrelid AND part.indrelid = t.inhrelid WHERE i.indexrelid = %s ORDER BY 1",
        (index,),
    )
    return [_Partition(*row) for row in rows]


def _give_part(connection: Connection, index: _Index, partition: _Partition) -> Iterator[str]:
    """What gives one partition its part: an index that fits already, or a new one."""
    part = _fitting(connection, index, partition)
    if part is None:
        part = f"{partition.schema}.{partition.new}"
        where = f"CONCURRENTLY {partition.new} ON" if partition.is_leaf else f"{partition.new} ON ONLY"
        yield f"{index.create} {where} {partition.name} USING {index.body};"
        if index.constraint:
            yield (
                f"ALTER TABLE {partition.name} ADD CONSTRAINT {partition.new} {index.constraint} "
                f"USING INDEX {partition.new};"
            )
    yield f"ALTER INDEX {index.name} ATTACH PARTITION {part};"


def _fitting(connection: Connection, index: _Index, partition: _Partition) -> str | None:
    """A valid index of the partition with the same definition that belongs to no parent yet."""
    rows = fetch_all(
        connection,
        f"SELECT {NAME.format('x.indexrelid')} FROM pg_index x WHERE x.indrelid = to_regclass(%s) AND x.indisvalid "  # noqa: S608 - constants
        "AND right(pg_get_indexdef(x.indexrelid), length(%s)) = %s AND starts_with(pg_get_indexdef(x.indexrelid), %s) "
        "AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = x.indexrelid) AND (%s IS NULL OR EXISTS "
        "(SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u'))) ORDER BY 1",
        (partition.name, *(f" USING {index.body}",) * 2, f"{index.create} ", index.constraint),
    )
    return str(rows[0][0]) if rows else None
