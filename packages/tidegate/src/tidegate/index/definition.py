"""Whether an index that exists is the one a statement asks for, as PostgreSQL itself understands the statement.

The text of a definition proves little: casts, defaults and parentheses can be spelled in many ways. So PostgreSQL
normalises: in a transaction that is rolled back, the statement builds its index on an empty temporary table of the same
name and columns, and the two rows of the catalog are compared. Nothing here waits long, and nothing stays.

Not compared, since it is the operator's choice and not part of what the index means: tablespace, comment, statistics
target, CLUSTER and replica identity marks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import NamedTuple

import psycopg2
from psycopg2 import errors

from tidegate.database.asking import fetch_all, fetch_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

LOCK_TIMEOUT_MS = 100
"""For the look at the table (ACCESS SHARE). Short, since whoever holds the table exclusively may wait for us."""

_SET_PATH = """
SELECT set_config('search_path', string_agg(quote_ident(name), ', ' ORDER BY number), true)
FROM unnest(%s::text[]) WITH ORDINALITY AS path(name, number)
"""

_DEFINITION = """
SELECT am.amname, i.indisunique, coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnkeyatts::int) k ORDER BY k),
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false)
             FROM generate_series(i.indnkeyatts + 1, i.indnatts::int) k ORDER BY k),
       i.indclass::text || ARRAY(SELECT a.attoptions::text FROM pg_attribute a
                                 WHERE a.attrelid = i.indexrelid AND a.attnum <= i.indnkeyatts ORDER BY a.attnum)::text,
       i.indcollation::text, i.indoption::text, pg_get_expr(i.indpred, i.indrelid),
       ARRAY(SELECT unnest(c.reloptions) ORDER BY 1)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
WHERE i.{column} = %s::regclass
"""
"""`indnullsnotdistinct` came with PostgreSQL 15, hence the way through JSON."""


class Definition(NamedTuple):
    """What an index means, as the catalog has it."""

    method: str
    is_unique: bool
    nulls_not_distinct: bool
    keys: list[str]
    included: list[str]
    operator_classes: str
    collations: str
    order: str
    predicate: str | None
    parameters: list[str]

    def differences(self, other: Definition) -> list[str]:
        """In what the two differ, in words."""
        pairs = zip(self._fields, self, other, strict=True)
        fields = [field for field, mine, theirs in pairs if mine != theirs]
        are_others = not {"method", "keys"}.isdisjoint(fields)
        return [_WORDS[field] for field in fields if not (are_others and field in _OF_KEYS)]


_WORDS = {
    "method": "access method",
    "is_unique": "UNIQUE",
    "nulls_not_distinct": "NULLS NOT DISTINCT",
    "keys": "columns",
    "included": "INCLUDE",
    "operator_classes": "operator class",
    "collations": "collation",
    "order": "ASC/DESC or NULLS FIRST/LAST",
    "predicate": "WHERE",
    "parameters": "WITH",
}


_OF_KEYS = {"operator_classes", "collations", "order"}
"""They say nothing more when the columns or the method are others."""


class CannotCompare(Exception):
    """PostgreSQL could not build the wanted index on a copy; says why."""


class TableBusy(Exception):
    """Somebody holds the table exclusively at the moment."""


@contextmanager
def scratch(connection: Connection, search_path: Iterable[str]) -> Iterator[None]:
    """A transaction that is rolled back, with names found as the session does whose `search_path` this is.

    Args:
        connection: In autocommit mode and idle. Session locks on it stay.
        search_path: Schemas, in order; without any, the connection's own.

    Raises:
        TableBusy: What the block looks at is held exclusively.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        try:
            if schemas := list(search_path):
                cursor.execute(_SET_PATH, (schemas,))
            yield
        except (errors.LockNotAvailable, errors.DeadlockDetected) as exc:
            raise TableBusy from exc
        finally:
            if not connection.closed:
                cursor.execute("ROLLBACK")


def differences(connection: Connection, sql: str, table: int, index: int) -> list[str]:
    """In what the wanted index differs from the one that exists; nothing when they are the same. Inside `scratch`.

    Raises:
        CannotCompare: No TEMP privilege, or PostgreSQL does not accept the statement.
    """
    if _bare(as_statement(connection, index)) == _bare(sql):
        return []
    return definition(connection, index).differences(wanted_definition(connection, sql, table)[0])


def as_statement(connection: Connection, index: int) -> str:
    """An existing index as the statement that would make it. Waits for whoever holds its table exclusively."""
    return str(fetch_one(connection, "SELECT pg_get_indexdef(%s)", (index,))[0])


def definition(connection: Connection, index: int) -> Definition:
    """What an existing index means."""
    return Definition(*fetch_one(connection, _DEFINITION.format(column="indexrelid"), (index,)))


def wanted_definition(connection: Connection, sql: str, table: int) -> tuple[Definition, str]:
    """What the statement asks for, and the name that it or else PostgreSQL gives it. Once in a `scratch`.

    Raises:
        CannotCompare: No TEMP privilege, or PostgreSQL does not accept the statement.
    """
    source, copy = fetch_one(
        connection,
        "SELECT format('%%I.%%I', n.nspname, c.relname), format('pg_temp.%%I', c.relname) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s",
        (table,),
    )
    try:
        with connection.cursor() as cursor:
            # The same name, so that a column may be written as `orders.email`, and that an index without a name gets
            # the one that PostgreSQL would give it.
            cursor.execute(f"CREATE TEMP TABLE {copy} (LIKE {source})")
            cursor.execute(_on_copy(sql))
    except psycopg2.OperationalError:
        raise  # the lock timeout among them
    except psycopg2.DatabaseError as exc:
        raise CannotCompare(exc.diag.message_primary or str(exc)) from exc
    name = fetch_all(
        connection,
        "SELECT relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s::regclass",
        (copy,),
    )
    return Definition(*fetch_one(connection, _DEFINITION.format(column="indrelid"), (copy,))), name[0][0]


def _parse(sql: str) -> tuple[Any, Any]:
    import postgast

    tree = postgast.parse(sql)
    return tree, tree.stmts[0].stmt.index_stmt


def _on_copy(sql: str) -> str:
    """The statement for the temporary table: at once, and in no tablespace that we may not use."""
    import postgast

    tree, statement = _parse(sql)
    statement.relation.schemaname, statement.relation.catalogname = "pg_temp", ""
    statement.relation.inh = True
    statement.concurrent = statement.if_not_exists = False
    statement.table_space = ""
    return str(postgast.deparse(tree))


def _bare(sql: str) -> str:
    """The statement without the names of index, table and tablespace, and without CONCURRENTLY, in one spelling."""
    import postgast

    tree, statement = _parse(sql)
    statement.idxname, statement.table_space = "i", ""
    statement.relation.schemaname, statement.relation.catalogname, statement.relation.relname = "", "", "t"
    statement.relation.inh = True
    statement.concurrent = statement.if_not_exists = False
    return str(postgast.deparse(tree))
