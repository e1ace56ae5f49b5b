"""What statements other than ALTER TABLE and queries lock and do: indexes, drops, renames, new tables, settings."""

from __future__ import annotations

from tidegate.sql.alter_table import read_alter_table
from tidegate.sql.dml import read_query
from tidegate.sql.found import (
    ACCESS_EXCLUSIVE,
    ACCESS_SHARE,
    BREAKS,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
)
from tidegate.sql.parse_tree import Name, enum_name, inside, name_from, name_of, option_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from postgast import pg_query_pb2 as pb

    from tidegate.sql.found import Found

_DROPPED_RELATIONS = {
    "OBJECT_TABLE",
    "OBJECT_VIEW",
    "OBJECT_MATVIEW",
    "OBJECT_SEQUENCE",
    "OBJECT_INDEX",
    "OBJECT_FOREIGN_TABLE",
}
_ON_A_TABLE = {"OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"}
"""Objects whose name is spelled table first."""

_WITHOUT_LOCKS = {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_AGGREGATE", "OBJECT_ROUTINE", "OBJECT_EXTENSION"}


def _read_index(node: pb.IndexStmt, found: Found) -> None:
    table = name_of(node.relation)
    own = Name(table.schema, node.idxname) if node.idxname else None
    found.is_repeatable = node.if_not_exists
    if own is not None and not node.if_not_exists:
        found.creates.append(own)
    if not node.concurrent:
        found.lock(SHARE, table)
        found.say("scans the table: writers wait until the index is built", about=table)
        return
    found.kind += " CONCURRENTLY"
    found.lock(SHARE_UPDATE_EXCLUSIVE, table)
    found.say("scans the table twice, while it is read and written; waits for older transactions", about=table)
    found.runs_alone = found.takes_its_time = found.is_repeatable = True
    found.new_index = own, table, node.if_not_exists


def _read_drop(node: pb.DropStmt, found: Found) -> None:
    kind = enum_name(node, "remove_type")
    what = kind.removeprefix("OBJECT_").replace("MATVIEW", "MATERIALIZED VIEW").replace("_", " ")
    found.kind = f"DROP {what}"
    found.is_repeatable = node.missing_ok
    if kind in _DROPPED_RELATIONS:
        _read_dropped_relations(node, what.lower(), found)
    elif kind in _ON_A_TABLE:
        found.lock(ACCESS_EXCLUSIVE, *(name_from(item.list.items[:-1]) for item in node.objects))
    elif kind in {"OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_SCHEMA"} or kind in _WITHOUT_LOCKS:
        found.say(f"{BREAKS}it may still use the {what.lower()}")
    if enum_name(node, "behavior") == "DROP_CASCADE":
        found.say("drops and locks whatever depends on it (CASCADE)")


def _read_dropped_relations(node: pb.DropStmt, what: str, found: Found) -> None:
    names = [name_from(item.list.items) for item in node.objects]
    if what == "index":
        found.lock(SHARE_UPDATE_EXCLUSIVE if node.concurrent else ACCESS_EXCLUSIVE, *names)
        if node.concurrent:
            found.kind += " CONCURRENTLY"
            found.runs_alone = found.takes_its_time = True
            found.drops_index = tuple(names)
        else:
            for name in names:
                found.say("locks the table of the index as strongly as the index", about=name)
        return
    found.lock(ACCESS_EXCLUSIVE, *names)
    for name in names:
        rows = " and its rows" if what == "table" else ""
        found.say(f"drops {what} {name}{rows}", f"{BREAKS}it still names {what} {name}", about=name)
        if what == "table":
            found.say("locks the tables that its foreign keys point to as strongly", about=name)


def _read_rename(node: pb.RenameStmt, found: Found) -> None:
    kind = enum_name(node, "rename_type")
    what = kind.removeprefix("OBJECT_").replace("TABCONSTRAINT", "CONSTRAINT").replace("_", " ").lower()
    found.kind = f"RENAME {what.upper()}"
    whole = not node.subname
    found.is_repeatable = node.missing_ok and whole
    if node.relation.relname:
        relation = name_of(node.relation)
        found.lock(SHARE_UPDATE_EXCLUSIVE if kind == "OBJECT_INDEX" else ACCESS_EXCLUSIVE, relation)
        if whole and found.is_new(relation):
            found.creates.append(Name(relation.schema, node.newname))
        if kind in {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_COLUMN", "OBJECT_ATTRIBUTE"}:
            old = relation.name if whole else f"{relation.name}.{node.subname}"
            found.say(f"{BREAKS}{what} {old} is called {node.newname} from now on", about=relation)
    elif kind not in _WITHOUT_LOCKS or kind == "OBJECT_FUNCTION":
        found.say(f"{BREAKS}the {what} is called {node.newname} from now on")


def _read_set_schema(node: pb.AlterObjectSchemaStmt, found: Found) -> None:
    found.kind = "SET SCHEMA"
    if node.relation.relname:
        relation = name_of(node.relation)
        found.lock(ACCESS_EXCLUSIVE, relation)
        found.say(f"{BREAKS}{relation} is in the schema {node.newschema} from now on", about=relation)


def _read_create_table(node: pb.CreateStmt, found: Found) -> None:
    own = name_of(node.relation)
    found.is_repeatable = node.if_not_exists
    if not node.if_not_exists:
        found.creates.append(own)
    parents = [name_of(item.range_var) for item in node.inh_relations]
    found.lock(ACCESS_EXCLUSIVE if node.HasField("partbound") else SHARE_UPDATE_EXCLUSIVE, *parents)
    if node.HasField("partbound"):
        found.say("scans the default partition, where there is one, under ACCESS EXCLUSIVE")
    referenced = {
        name_of(item.pktable) for item in inside(node, "Constraint") if enum_name(item, "contype") == "CONSTR_FOREIGN"
    }
    found.lock(SHARE_ROW_EXCLUSIVE, *(name for name in referenced if name != own))
    found.lock(ACCESS_SHARE, *(name_of(item.relation) for item in inside(node, "TableLikeClause")))


def _read_create_as(node: pb.CreateTableAsStmt, found: Found) -> None:
    own = name_of(node.into.rel)
    is_view = enum_name(node, "objtype") == "OBJECT_MATVIEW"
    found.kind = "CREATE MATERIALIZED VIEW" if is_view else "CREATE TABLE AS"
    read_query(node.query, found)
    found.is_repeatable = node.if_not_exists
    if not node.if_not_exists:
        found.creates.append(own)


def _read_view(node: pb.ViewStmt, found: Found) -> None:
    own = name_of(node.view)
    read_query(node.query, found)
    found.is_repeatable = node.replace
    if node.replace:
        found.lock(ACCESS_EXCLUSIVE, own)
    else:
        found.creates.append(own)


def _read_on_table(mode: str) -> Callable[[Any, Found], None]:
    def read(node: Any, found: Found) -> None:
        found.lock(mode, name_of(node.table if node.DESCRIPTOR.name.endswith("PolicyStmt") else node.relation))
        found.is_repeatable = bool(getattr(node, "replace", False))

    return read


def _read_sequence(node: Any, found: Found) -> None:
    own, owner = name_of(node.sequence), option_names(node.options).get("owned_by")
    found.is_repeatable = bool(getattr(node, "if_not_exists", False))
    if node.DESCRIPTOR.name == "AlterSeqStmt":
        found.lock(SHARE_ROW_EXCLUSIVE, own)
    elif not node.if_not_exists:
        found.creates.append(own)
    if owner is not None and len(owner.arg.list.items) > 1:
        found.lock(ACCESS_SHARE, name_from(owner.arg.list.items[:-1]))


def _read_statistics(node: pb.CreateStatsStmt, found: Found) -> None:
    found.lock(SHARE_UPDATE_EXCLUSIVE, *(name_of(item.range_var) for item in node.relations))
    found.is_repeatable = node.if_not_exists


def _read_publication(node: Any, found: Found) -> None:
    found.lock(SHARE_UPDATE_EXCLUSIVE, *(name_of(item.relation) for item in inside(node, "PublicationTable")))


READERS: dict[str, tuple[str, Callable[[Any, Found], None]]] = {
    "alter_table_stmt": ("ALTER TABLE", read_alter_table),
    "index_stmt": ("CREATE INDEX", _read_index),
    "drop_stmt": ("DROP", _read_drop),
    "rename_stmt": ("RENAME", _read_rename),
    "alter_object_schema_stmt": ("SET SCHEMA", _read_set_schema),
    "create_stmt": ("CREATE TABLE", _read_create_table),
    "create_table_as_stmt": ("CREATE TABLE AS", _read_create_as),
    "view_stmt": ("CREATE VIEW", _read_view),
    "create_trig_stmt": ("CREATE TRIGGER", _read_on_table(SHARE_ROW_EXCLUSIVE)),
    "rule_stmt": ("CREATE RULE", _read_on_table(ACCESS_EXCLUSIVE)),
    "create_policy_stmt": ("CREATE POLICY", _read_on_table(ACCESS_EXCLUSIVE)),
    "alter_policy_stmt": ("ALTER POLICY", _read_on_table(ACCESS_EXCLUSIVE)),
    "create_seq_stmt": ("CREATE SEQUENCE", _read_sequence),
    "alter_seq_stmt": ("ALTER SEQUENCE", _read_sequence),
    "create_stats_stmt": ("CREATE STATISTICS", _read_statistics),
    "create_publication_stmt": ("CREATE PUBLICATION", _read_publication),
    "alter_publication_stmt": ("ALTER PUBLICATION", _read_publication),
}
"""Reader and name for people of each kind of statement, by the parser's name for it."""
