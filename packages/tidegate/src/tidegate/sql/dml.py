"""What queries and writes lock: SELECT, INSERT, UPDATE, DELETE, MERGE, COPY, and what carries them."""

from __future__ import annotations

from tidegate.sql.found import (
    ACCESS_EXCLUSIVE,
    ACCESS_SHARE,
    BREAKS,
    ROW_EXCLUSIVE,
    ROW_SHARE,
    UNKNOWN,
    is_harmless,
)
from tidegate.sql.parse_tree import gathered, inside, name_of, names_of_functions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from google.protobuf.message import Message

    from tidegate.sql.found import Found

_WRITES = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")


def read_query(node: Message, found: Found) -> None:
    """Note the locks of a query and of all that it contains."""
    nodes = gathered(node, *_WRITES, "CommonTableExpr", "RangeVar", "IntoClause", "SelectStmt", "FuncCall", "A_Const")
    with_names = {expression.ctename for expression in nodes["CommonTableExpr"]}
    tables = [name_of(table) for table in nodes["RangeVar"]]
    made = {name_of(into.rel) for into in nodes["IntoClause"]}
    written = {name_of(write.relation) for kind in _WRITES for write in nodes[kind]}
    found.lock(ACCESS_SHARE, *(t for t in tables if (t.schema or t.name not in with_names) and t not in made))
    found.lock(ROW_EXCLUSIVE, *written)
    for select in nodes["SelectStmt"]:
        if select.locking_clause:
            froms = [name_of(table) for item in select.from_clause for table in inside(item, "RangeVar")]
            found.lock(ROW_SHARE, *(t for t in froms if t.schema or t.name not in with_names))
    found.creates += made
    functions = names_of_functions(nodes["FuncCall"])
    found.say_unknown(functions)
    found.sets_lock_timeout = "set_config" in functions and any(
        text.sval.sval.lower() == "lock_timeout" for text in nodes["A_Const"] if text.HasField("sval")
    )
    found.is_repeatable = not written and not made and all(map(is_harmless, functions))


def _read_write(node: Any, found: Found) -> None:
    read_query(node, found)
    if not node.HasField("where_clause"):
        found.say("writes every row of the table in one transaction", about=name_of(node.relation))


def _read_copy(node: Any, found: Found) -> None:
    if node.HasField("relation"):
        found.lock(ROW_EXCLUSIVE if node.is_from else ACCESS_SHARE, name_of(node.relation))
    if node.HasField("query"):
        read_query(node.query, found)
    found.is_repeatable = False


def _read_unknown(node: Message, found: Found) -> None:
    found.say(UNKNOWN)
    del node


def _read_carrier(node: Any, found: Found) -> None:
    read_query(node.query, found)
    found.is_repeatable = False


def _read_truncate(node: Any, found: Found) -> None:
    tables = [name_of(item.range_var) for item in node.relations]
    found.lock(ACCESS_EXCLUSIVE, *tables)
    for table in tables:
        found.say(f"deletes every row of {table}", f"{BREAKS}the rows of {table} are gone", about=table)


READERS: dict[str, tuple[str, Callable[[Any, Found], None]]] = {
    "select_stmt": ("SELECT", read_query),
    "insert_stmt": ("INSERT", read_query),
    "update_stmt": ("UPDATE", _read_write),
    "delete_stmt": ("DELETE", _read_write),
    "merge_stmt": ("MERGE", read_query),
    "copy_stmt": ("COPY", _read_copy),
    "explain_stmt": ("EXPLAIN", _read_carrier),
    "declare_cursor_stmt": ("DECLARE CURSOR", _read_carrier),
    "do_stmt": ("DO", _read_unknown),
    "call_stmt": ("CALL", _read_unknown),
    "execute_stmt": ("EXECUTE", _read_unknown),
    "prepare_stmt": ("PREPARE", _read_unknown),
    "truncate_stmt": ("TRUNCATE", _read_truncate),
}
"""Reader and name for people of each kind of statement, by the parser's name for it."""
