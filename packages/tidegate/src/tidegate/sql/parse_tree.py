"""PostgreSQL's own parser (libpg_query, through `postgast`), and the few questions that are asked of its tree.

Loading the parser takes 0.2 s (measured), so it is imported when the first statement is parsed.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from google.protobuf.message import Message
    from postgast.pg_query_pb2 import RangeVar

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|(?<![:\w]):[A-Za-z_]\w*")
"""How a driver or SQLAlchemy writes a parameter; the parser knows `$1` only."""


MOST_READ = {"values_lists": 100, "": 2000}
"""How much of a long list is read, by the name of the field: what follows in a million VALUES is as good as always the
same, and a table has at most 1600 columns."""

MOST_TEXT = 1_000_000
"""Longer texts are not parsed, in characters: it takes a second for each million (measured), before each statement."""


class Name(NamedTuple):
    """A relation as a statement names it; without a schema the search path decides."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Parsed(NamedTuple):
    """One statement of a text."""

    sql: str
    kind: str
    """The parser's name for it: `alter_table_stmt`."""
    node: Any


def parse(sql: str) -> list[Parsed] | None:
    """The statements of a text, in order; nothing where it is not PostgreSQL's SQL, or too long. Never raises."""
    if len(sql) > MOST_TEXT:
        return None
    found = _parse(sql)
    if found is None and (text := _PLACEHOLDER.sub("$1", sql).replace("%%", "%")) != sql:
        found = _parse(text)
        if found is not None and len(found) == 1:
            return [found[0]._replace(sql=sql.strip())]
    return found


def _parse(text: str) -> list[Parsed] | None:
    from postgast import PgQueryError
    from postgast import parse as parse_text

    if "\0" in text:  # where the parser, written in C, would stop reading
        return None
    try:
        tree = parse_text(text)
        raw = text.encode()
    except (PgQueryError, UnicodeError, RecursionError):
        return None
    except Exception as exc:  # the decoder's own error class, for a tree deeper than it reads
        if type(exc).__name__ != "DecodeError":
            raise
        return None
    found = []
    for statement in tree.stmts:
        kind = statement.stmt.WhichOneof("node") or ""
        end = statement.stmt_location + statement.stmt_len if statement.stmt_len else None
        sql = raw[statement.stmt_location : end].decode(errors="replace").strip()
        found.append(Parsed(sql, kind, getattr(statement.stmt, kind) if kind else None))
    return found


def name_of(relation: RangeVar) -> Name:
    """The name of a relation in a statement."""
    return Name(relation.schemaname or None, relation.relname)


def name_from(parts: Iterable[Message]) -> Name:
    """The name that a list of identifiers spells: `[schema, relation]`, or `[database, schema, relation]`."""
    words = strings(parts)
    return Name(words[-2] if len(words) > 1 else None, words[-1]) if words else Name(None, "")


def strings(nodes: Iterable[Any]) -> list[str]:
    """The identifiers in a list of nodes."""
    return [node.string.sval for node in nodes if node.WhichOneof("node") == "string"]


def enum_name(message: Message, field: str) -> str:
    """The name of a field's value, such as `AT_AddColumn`."""
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    if enum is None:
        raise LookupError(field)
    return str(enum.values_by_number[getattr(message, field)].name)


def inside(message: Message, kind: str) -> list[Any]:
    """Every node of a kind (`FuncCall`) in a tree, the outermost first."""
    return gathered(message, kind)[kind]


def gathered(message: Message, *kinds: str) -> dict[str, list[Any]]:
    """Every node of each of these kinds in a tree, the outermost first, in one walk.

    Of long lists only the beginning is read: 1.5 MB of VALUES took 35 s otherwise (measured).
    """
    found: dict[str, list[Any]] = {kind: [] for kind in kinds}
    todo: list[Any] = [message]
    while todo:
        node = todo.pop()
        name = node.DESCRIPTOR.name
        if name in found:
            found[name].append(node)
        todo.extend(reversed(_children(node)))
    return found


def _children(node: Any) -> list[Any]:
    if node.DESCRIPTOR.name == "Node":
        kind = node.WhichOneof("node")
        return [getattr(node, kind)] if kind else []
    children: list[Any] = []
    cls: Any = type(node)
    for name, is_list in _fields(cls):
        if is_list:
            children.extend(getattr(node, name)[: MOST_READ.get(name, MOST_READ[""])])
        elif node.HasField(name):
            children.append(getattr(node, name))
    return children


@cache
def _fields(kind: Any) -> tuple[tuple[str, bool], ...]:
    """The fields of a kind of node that hold nodes, and whether each is a list."""
    names = [field.name for field in kind.DESCRIPTOR.fields if field.message_type is not None]
    empty = kind()
    return tuple((name, not hasattr(getattr(empty, name), "DESCRIPTOR")) for name in names)


def functions_in(message: Message) -> list[str]:
    """The names of the functions that an expression or a query calls, in lower case, without their schema."""
    return names_of_functions(inside(message, "FuncCall"))


def names_of_functions(calls: Iterable[Any]) -> list[str]:
    """The names in these nodes, each once."""
    found = (strings(call.funcname) for call in calls)
    return list(dict.fromkeys(names[-1].lower() for names in found if names))


def option_names(options: Iterable[Any]) -> dict[str, Any]:
    """The elements of a list such as `(concurrently, verbose off)`, by name."""
    return {option.def_elem.defname: option.def_elem for option in options}


def is_set(options: Iterable[Any], name: str) -> bool:
    """Whether a list such as `(full, verbose off)` switches an option on."""
    element = option_names(options).get(name)
    if element is None:
        return False
    arg = element.arg
    word = arg.string.sval.lower() if arg.WhichOneof("node") == "string" else ""
    return word not in {"off", "false", "0"} and not (arg.WhichOneof("node") == "integer" and arg.integer.ival == 0)
