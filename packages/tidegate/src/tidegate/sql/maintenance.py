"""What the rest of the statements lock and do: comments, REINDEX, VACUUM, settings, transactions, types."""

from __future__ import annotations

from tidegate.sql.found import (
    ACCESS_EXCLUSIVE,
    ACCESS_SHARE,
    BREAKS,
    EXCLUSIVE,
    MODES,
    SHARE,
    SHARE_UPDATE_EXCLUSIVE,
    UNKNOWN,
)
from tidegate.sql.parse_tree import enum_name, is_set, name_from, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from postgast import pg_query_pb2 as pb

    from tidegate.sql.found import Found

_RELATIONS = {
    "OBJECT_TABLE",
    "OBJECT_VIEW",
    "OBJECT_MATVIEW",
    "OBJECT_SEQUENCE",
    "OBJECT_INDEX",
    "OBJECT_FOREIGN_TABLE",
}
_PARTS = {"OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY", "OBJECT_TABCONSTRAINT", "OBJECT_COLUMN"}
"""What is commented on under the name of its table."""


def _read_refresh(node: Any, found: Found) -> None:
    view = name_of(node.relation)
    found.lock(EXCLUSIVE if node.concurrent else ACCESS_EXCLUSIVE, view)
    waits = "its writers wait" if node.concurrent else "its readers wait"
    found.say(f"runs the query of {view}; {waits} until it is done", about=view)
    found.is_repeatable = True


def _read_lock(node: Any, found: Found) -> None:
    found.lock(MODES[node.mode - 1], *(name_of(item.range_var) for item in node.relations))
    found.is_repeatable = True


def _read_comment(node: Any, found: Found) -> None:
    kind = enum_name(node, "objtype")
    if kind in _RELATIONS:
        found.lock(SHARE_UPDATE_EXCLUSIVE, name_from(node.object.list.items))
    elif kind in _PARTS:
        mode = SHARE_UPDATE_EXCLUSIVE if kind == "OBJECT_COLUMN" else ACCESS_SHARE
        found.lock(mode, name_from(node.object.list.items[:-1]))
    found.is_repeatable = True


def _read_reindex(node: pb.ReindexStmt, found: Found) -> None:
    concurrent = is_set(node.params, "concurrently")
    kind = enum_name(node, "kind").removeprefix("REINDEX_OBJECT_")
    found.kind = f"REINDEX {kind}{' CONCURRENTLY' if concurrent else ''}"
    weaker = SHARE_UPDATE_EXCLUSIVE if concurrent else None
    if node.relation.relname:
        found.lock(weaker or (ACCESS_EXCLUSIVE if kind == "INDEX" else SHARE), name_of(node.relation))
    found.runs_alone = concurrent or not node.relation.relname
    found.takes_its_time = concurrent
    found.is_repeatable = True
    found.say("builds indexes anew, while they are used" if concurrent else "builds indexes anew: writers wait")


def _read_vacuum(node: pb.VacuumStmt, found: Found) -> None:
    full = is_set(node.options, "full")
    tables = [name_of(item.vacuum_relation.relation) for item in node.rels]
    found.kind = ("VACUUM FULL" if full else "VACUUM") if node.is_vacuumcmd else "ANALYZE"
    found.lock(ACCESS_EXCLUSIVE if full else SHARE_UPDATE_EXCLUSIVE, *tables)
    found.runs_alone = node.is_vacuumcmd
    found.takes_its_time = node.is_vacuumcmd and not full
    found.is_repeatable = True
    if full:
        found.say("rewrites the table")


def _read_cluster(node: pb.ClusterStmt, found: Found) -> None:
    found.runs_alone = not node.relation.relname
    if node.relation.relname:
        found.lock(ACCESS_EXCLUSIVE, name_of(node.relation))
    found.is_repeatable = True
    found.say("rewrites the table")


def _read_enum(node: pb.AlterEnumStmt, found: Found) -> None:
    found.is_repeatable = node.skip_if_new_val_exists
    if node.old_val:
        found.say(f"{BREAKS}the value {node.old_val} is called {node.new_val} from now on")


def _read_domain(node: pb.AlterDomainStmt, found: Found) -> None:
    if node.subtype in {"C", "O"} and not getattr(node, "def").constraint.skip_validation:
        found.say("scans every table that uses the domain, and locks it against writes")


def _read_setting(node: pb.VariableSetStmt, found: Found) -> None:
    kind = enum_name(node, "kind")
    found.sets_lock_timeout = node.name.lower() == "lock_timeout" or kind == "VAR_RESET_ALL"
    found.is_repeatable = True


def _read_discard(node: pb.DiscardStmt, found: Found) -> None:
    found.sets_lock_timeout = enum_name(node, "target") == "DISCARD_ALL"
    found.runs_alone = found.sets_lock_timeout
    found.is_repeatable = True


def _read_transaction(node: pb.TransactionStmt, found: Found) -> None:
    kind = enum_name(node, "kind").removeprefix("TRANS_STMT_")
    found.kind = kind.replace("_", " ")
    found.ends_transaction = kind in {"COMMIT", "ROLLBACK", "PREPARE"}


def _read_harmless(node: Any, found: Found) -> None:
    found.is_repeatable = bool(
        getattr(node, "if_not_exists", False)
        or getattr(node, "replace", False)
        or node.DESCRIPTOR.name in {"GrantStmt", "VariableShowStmt", "AlterOwnerStmt"}
    )


def _read_alone(node: Any, found: Found) -> None:
    found.runs_alone = True
    del node


def _read_outside(node: Any, found: Found) -> None:
    found.is_repeatable = bool(getattr(node, "if_not_exists", False))
    found.say(UNKNOWN)


READERS: dict[str, tuple[str, Callable[[Any, Found], None]]] = {
    "refresh_mat_view_stmt": ("REFRESH MATERIALIZED VIEW", _read_refresh),
    "lock_stmt": ("LOCK TABLE", _read_lock),
    "comment_stmt": ("COMMENT ON", _read_comment),
    "sec_label_stmt": ("SECURITY LABEL", _read_comment),
    "reindex_stmt": ("REINDEX", _read_reindex),
    "vacuum_stmt": ("VACUUM", _read_vacuum),
    "cluster_stmt": ("CLUSTER", _read_cluster),
    "alter_enum_stmt": ("ALTER TYPE", _read_enum),
    "alter_domain_stmt": ("ALTER DOMAIN", _read_domain),
    "variable_set_stmt": ("SET", _read_setting),
    "variable_show_stmt": ("SHOW", _read_harmless),
    "discard_stmt": ("DISCARD", _read_discard),
    "transaction_stmt": ("TRANSACTION", _read_transaction),
    "create_extension_stmt": ("CREATE EXTENSION", _read_outside),
    "alter_extension_stmt": ("ALTER EXTENSION", _read_outside),
    "createdb_stmt": ("CREATE DATABASE", _read_alone),
    "dropdb_stmt": ("DROP DATABASE", _read_alone),
    "alter_system_stmt": ("ALTER SYSTEM", _read_alone),
    "create_table_space_stmt": ("CREATE TABLESPACE", _read_alone),
    "drop_table_space_stmt": ("DROP TABLESPACE", _read_alone),
    "create_schema_stmt": ("CREATE SCHEMA", _read_harmless),
    "create_function_stmt": ("CREATE FUNCTION", _read_harmless),
    "create_enum_stmt": ("CREATE TYPE", _read_harmless),
    "composite_type_stmt": ("CREATE TYPE", _read_harmless),
    "create_range_stmt": ("CREATE TYPE", _read_harmless),
    "create_domain_stmt": ("CREATE DOMAIN", _read_harmless),
    "define_stmt": ("CREATE", _read_harmless),
    "create_role_stmt": ("CREATE ROLE", _read_harmless),
    "alter_role_stmt": ("ALTER ROLE", _read_harmless),
    "drop_role_stmt": ("DROP ROLE", _read_harmless),
    "grant_stmt": ("GRANT", _read_harmless),
    "grant_role_stmt": ("GRANT", _read_harmless),
    "alter_default_privileges_stmt": ("ALTER DEFAULT PRIVILEGES", _read_harmless),
    "alter_owner_stmt": ("ALTER OWNER", _read_harmless),
    "alter_function_stmt": ("ALTER FUNCTION", _read_harmless),
    "alter_stats_stmt": ("ALTER STATISTICS", _read_harmless),
    "notify_stmt": ("NOTIFY", _read_harmless),
}
"""Reader and name for people of each kind of statement, by the parser's name for it; one that is missing is unknown."""
