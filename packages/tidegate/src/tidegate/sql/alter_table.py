"""ALTER TABLE, subcommand by subcommand: the lock it takes, what it does to the table and to the old version.

Source of the modes: PostgreSQL, `AlterTableGetLockLevel` and `AlterTableGetRelOptionsLockLevel`; of rewrites and
scans: measured on 15 and 18. tests/test_effects_locks.py compares the modes with `pg_locks`.
"""

from __future__ import annotations

from tidegate.sql.found import (
    ACCESS_EXCLUSIVE,
    ACCESS_SHARE,
    BREAKS,
    FAILS_ON_ROWS,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    VOLATILE_FUNCTIONS,
    is_harmless,
    strength,
)
from tidegate.sql.parse_tree import Name, enum_name, functions_in, name_of, strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from postgast.pg_query_pb2 import AlterTableCmd, AlterTableStmt, ColumnDef, Constraint, Node

    from tidegate.sql.found import Found

_SHARE_UPDATE_EXCLUSIVE = {
    "AT_SetStatistics",
    "AT_ClusterOn",
    "AT_DropCluster",
    "AT_SetOptions",
    "AT_ResetOptions",
    "AT_AttachPartition",
    "AT_DetachPartitionFinalize",
    "AT_ValidateConstraint",
}
_SHARE_ROW_EXCLUSIVE = {
    f"AT_{which}"
    for which in (
        "EnableTrig",
        "EnableAlwaysTrig",
        "EnableReplicaTrig",
        "EnableTrigAll",
        "EnableTrigUser",
        "DisableTrig",
        "DisableTrigAll",
        "DisableTrigUser",
    )
}
_REL_OPTIONS = {"AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplaceRelOptions"}
_STRONG_OPTIONS = {
    "user_catalog_table",
    "security_barrier",
    "security_invoker",
    "check_option",
    "fastupdate",
    "gin_pending_list_limit",
    "buffering",
    "autosummarize",
    "pages_per_range",
}
"""Parameters that need ACCESS EXCLUSIVE; all the others need SHARE UPDATE EXCLUSIVE."""

_REPEATABLE = (
    _SHARE_ROW_EXCLUSIVE
    | _REL_OPTIONS
    | {
        f"AT_{which}"
        for which in (
            "ValidateConstraint",
            "SetStatistics",
            "SetOptions",
            "ResetOptions",
            "SetStorage",
            "SetCompression",
            "ClusterOn",
            "DropCluster",
            "ColumnDefault",
            "SetNotNull",
            "DropNotNull",
            "ChangeOwner",
            "ReplicaIdentity",
            "EnableRowSecurity",
            "DisableRowSecurity",
            "ForceRowSecurity",
            "NoForceRowSecurity",
            "SetLogged",
            "SetUnLogged",
            "SetTableSpace",
            "SetIdentity",
        )
    }
)
"""Subcommands that say how a thing should be: a second time they change nothing."""

_SERIAL = {"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"}

_EFFECTS = {
    "AT_SetNotNull": ("scans the table, unless a valid CHECK constraint already says so",),
    "AT_SetLogged": ("rewrites the table",),
    "AT_SetUnLogged": ("rewrites the table",),
    "AT_SetAccessMethod": ("rewrites the table",),
    "AT_SetExpression": ("rewrites the table",),
    "AT_SetTableSpace": ("copies the table to another tablespace",),
    "AT_ValidateConstraint": ("scans the table, while it is read and written",),
    "AT_EnableRowSecurity": (f"{BREAKS}rows that no policy allows are hidden from it",),
    "AT_ForceRowSecurity": (f"{BREAKS}rows that no policy allows are hidden from it",),
    "AT_DropColumn": ("drops column {name} and what it holds", f"{BREAKS}it still names column {{name}}"),
    "AT_AlterColumnType": ("may rewrite the table and its indexes: {name} changes its type",),
    "AT_DropConstraint": ("drops constraint {name}; of a foreign key, the other table is locked as strongly",),
}
"""By subcommand; `{name}` is the column or constraint."""


def read_alter_table(node: AlterTableStmt, found: Found) -> None:
    """Note what an ALTER TABLE (or INDEX, VIEW, SEQUENCE, TYPE …) does."""
    found.kind = enum_name(node, "objtype").replace("OBJECT_", "ALTER ").replace("MATVIEW", "MATERIALIZED VIEW")
    found.kind = found.kind.replace("_", " ")
    table = name_of(node.relation)
    commands = [command.alter_table_cmd for command in node.cmds]
    found.lock(max(map(_mode, commands), key=strength, default=ACCESS_EXCLUSIVE), table)
    for command in commands:
        _read_command(command, table, found)
    kinds = {enum_name(command, "subtype") for command in commands}
    found.takes_its_time = found.runs_alone or kinds == {"AT_ValidateConstraint"}
    found.is_repeatable = bool(commands) and all(_is_repeatable(command) for command in commands)


def _mode(command: AlterTableCmd) -> str:
    kind = enum_name(command, "subtype")
    detail = getattr(command, "def")
    if kind in _SHARE_UPDATE_EXCLUSIVE:
        return SHARE_UPDATE_EXCLUSIVE
    if kind in _SHARE_ROW_EXCLUSIVE:
        return SHARE_ROW_EXCLUSIVE
    if kind in _REL_OPTIONS:
        names = {item.def_elem.defname for item in detail.list.items}
        return ACCESS_EXCLUSIVE if names & _STRONG_OPTIONS else SHARE_UPDATE_EXCLUSIVE
    if kind == "AT_DetachPartition" and detail.partition_cmd.concurrent:
        return SHARE_UPDATE_EXCLUSIVE
    if kind == "AT_AddConstraint" and enum_name(detail.constraint, "contype") == "CONSTR_FOREIGN":
        return SHARE_ROW_EXCLUSIVE
    return ACCESS_EXCLUSIVE


def _is_repeatable(command: AlterTableCmd) -> bool:
    kind = enum_name(command, "subtype")
    if kind == "AT_AlterColumnType":
        return not getattr(command, "def").column_def.HasField("raw_default")
    return kind in _REPEATABLE or command.missing_ok


def _read_command(command: AlterTableCmd, table: Name, found: Found) -> None:
    kind = enum_name(command, "subtype")
    detail: Node = getattr(command, "def")
    found.say(*(effect.format(name=command.name) for effect in _EFFECTS.get(kind, ())), about=table)
    match kind:
        case "AT_AddColumn":
            read_column(detail.column_def, table, found)
        case "AT_AddConstraint":
            read_constraint(detail.constraint, table, found)
        case "AT_AttachPartition" | "AT_DetachPartition":
            _read_partition(kind, detail, found)
        case "AT_AddInherit":
            found.lock(SHARE_UPDATE_EXCLUSIVE, name_of(detail.range_var))
        case "AT_DropInherit":
            found.lock(ACCESS_SHARE, name_of(detail.range_var))
        case _:
            pass


def _read_partition(kind: str, detail: Node, found: Found) -> None:
    part = name_of(detail.partition_cmd.name)
    if kind == "AT_AttachPartition":
        found.lock(ACCESS_EXCLUSIVE, part)
        found.say(f"scans {part}, unless a valid CHECK constraint proves its bounds", about=part)
        found.say("scans the default partition, where there is one, under ACCESS EXCLUSIVE")
        return
    if detail.partition_cmd.concurrent:
        found.kind += " DETACH PARTITION CONCURRENTLY"
        found.runs_alone = True
    found.lock(ACCESS_EXCLUSIVE, part)
    found.say(f"{BREAKS}the rows of {part} leave the table", about=part)


def read_column(column: ColumnDef, table: Name, found: Found) -> None:
    """Note what adding a column does."""
    constraints = {enum_name(item.constraint, "contype"): item.constraint for item in column.constraints}
    type_name = (strings(column.type_name.names) or [""])[-1]
    default = constraints.get("CONSTR_DEFAULT")
    generated = constraints.get("CONSTR_GENERATED")
    if type_name in _SERIAL or "CONSTR_IDENTITY" in constraints:
        found.say(f"rewrites the table: every row gets a number in {column.colname}", about=table)
    if generated is not None and generated.generated_kind != "v":
        found.say(f"rewrites the table: {column.colname} is computed and stored", about=table)
    if default is not None:
        _read_default(functions_in(default.raw_expr), table, found)
    fills_itself = default is not None or generated is not None or type_name in _SERIAL
    if "CONSTR_NOTNULL" in constraints and not fills_itself and "CONSTR_IDENTITY" not in constraints:
        found.say(
            f"{FAILS_ON_ROWS}{column.colname} is NOT NULL without a default",
            f"{BREAKS}it does not fill {column.colname}",
            about=table,
        )
    for kind, constraint in constraints.items():
        if kind == "CONSTR_FOREIGN":
            _read_inline_reference(constraint, table, found, has_default=default is not None)
        elif kind not in {"CONSTR_NOTNULL", "CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"}:
            read_constraint(constraint, table, found)


def _read_default(functions: Iterable[str], table: Name, found: Found) -> None:
    for name in functions:
        if name in VOLATILE_FUNCTIONS:
            found.say(f"rewrites the table: {name}() gives every row another value", about=table)
        elif not is_harmless(name):
            found.say(f"rewrites the table if {name}() is volatile", about=table)


def _read_inline_reference(constraint: Constraint, table: Name, found: Found, *, has_default: bool) -> None:
    found.lock(SHARE_ROW_EXCLUSIVE, name_of(constraint.pktable))
    if has_default:
        found.say("scans the table: every row is looked up in the table it refers to", about=table)


def read_constraint(constraint: Constraint, table: Name, found: Found) -> None:
    """Note what adding a constraint to a table does."""
    kind = enum_name(constraint, "contype")
    name = constraint.conname or "the constraint"
    if kind == "CONSTR_FOREIGN":
        found.lock(SHARE_ROW_EXCLUSIVE, name_of(constraint.pktable))
    if kind in {"CONSTR_FOREIGN", "CONSTR_CHECK", "CONSTR_NOTNULL"}:
        if not constraint.skip_validation:
            found.say(f"scans the table: every row is checked for {name} (NOT VALID would not)", about=table)
    elif kind in {"CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_EXCLUSION"}:
        if not constraint.indexname:
            found.say(f"scans the table: builds the index of {name} while nobody can read or write", about=table)
        elif kind == "CONSTR_PRIMARY":
            found.say("scans the table, unless its columns are NOT NULL already", about=table)
