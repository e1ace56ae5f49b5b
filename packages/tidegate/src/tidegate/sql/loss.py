"""What a text of SQL would lose: tables, columns and rows that do not come back. Pure: no database is asked."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.sql.found import VOLATILE_FUNCTIONS, is_harmless
from tidegate.sql.parse_tree import Name, enum_name, functions_in, inside, name_from, name_of, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_CODE = {"do_stmt": "DO", "call_stmt": "CALL", "execute_stmt": "EXECUTE", "drop_owned_stmt": "DROP OWNED"}
"""Statements that carry out code, or drop things, which their text does not name."""

_HOLDS_OTHERS = {"OBJECT_SCHEMA": "a schema", "OBJECT_EXTENSION": "an extension"}
_MAY_CASCADE = {"OBJECT_TYPE": "a type", "OBJECT_DOMAIN": "a domain"}
"""Dropping these drops tables or columns: the first always, the second with CASCADE."""


_OWN = ("array_", "date_", "json_", "jsonb_", "pg_", "regexp_", "string_")
"""How functions of PostgreSQL's own begin that the list of harmless ones does not have; none of them drops anything."""


class Loss(NamedTuple):
    """Something that a downgrade takes away."""

    kind: str
    """`table`, `column`, `rows` (of a table that stays), `rename` (no loss, but a name from here on means another
    thing), or `unknown`."""
    table: Name | None = None
    column: str | None = None
    why: str = ""
    """Of `unknown`: a clause for people."""
    where: str = ""
    """Revision and line."""


def losses_in_sql(sql: str) -> list[Loss]:
    """What these statements lose; one that cannot be parsed may lose anything."""
    statements = parse(sql)
    if statements is None:
        return [Loss("unknown", why=f"its SQL cannot be parsed: `{' '.join(sql.split())[:60]}`")]
    return [loss for statement in statements for loss in _of(statement.kind, statement.node)]


def _of(kind: str, node: Any) -> Iterator[Loss]:
    if kind in _CODE:
        yield Loss("unknown", why=f"{_CODE[kind]} may do anything")
    elif kind == "drop_stmt":
        yield from _dropped(node)
    elif kind == "alter_table_stmt":
        yield from _altered(node)
    elif kind == "truncate_stmt":
        yield from (Loss("rows", name_of(item.range_var)) for item in node.relations)
    elif kind in {"rename_stmt", "alter_object_schema_stmt"}:
        yield Loss("rename")
    if kind in {"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"}:
        yield from _queried(node)


def _dropped(node: Any) -> Iterator[Loss]:
    what = enum_name(node, "remove_type")
    if what == "OBJECT_TABLE":
        yield from (Loss("table", name_from(item.list.items)) for item in node.objects)
    elif what in _HOLDS_OTHERS:
        yield Loss("unknown", why=f"it drops {_HOLDS_OTHERS[what]} with all that is in it")
    elif what in _MAY_CASCADE and enum_name(node, "behavior") == "DROP_CASCADE":
        yield Loss("unknown", why=f"it drops {_MAY_CASCADE[what]} with every column of it (CASCADE)")


def _altered(node: Any) -> Iterator[Loss]:
    for item in node.cmds:
        if enum_name(item.alter_table_cmd, "subtype") == "AT_DropColumn":
            yield Loss("column", name_of(node.relation), item.alter_table_cmd.name)


def _queried(node: Any) -> Iterator[Loss]:
    for delete in inside(node, "DeleteStmt"):
        yield Loss("rows", name_of(delete.relation))
    for merge in inside(node, "MergeStmt"):
        if any(enum_name(clause, "command_type") == "CMD_DELETE" for clause in inside(merge, "MergeWhenClause")):
            yield Loss("rows", name_of(merge.relation))
    for function in functions_in(node):
        is_known = is_harmless(function) or function in VOLATILE_FUNCTIONS | {"setval"}
        if not is_known and not function.startswith(_OWN):
            yield Loss("unknown", why=f"the function {function}() may do anything")
