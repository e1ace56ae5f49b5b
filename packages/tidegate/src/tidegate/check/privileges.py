"""What the role that migrates lacks: to keep the record, to write the version, to change the tables."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.check.finding import NO_GO, OK, Finding
from tidegate.check.session import role_of
from tidegate.check.tables import named
from tidegate.database.asking import fetch_all, fetch_one
from tidegate.database.read_only import command_to_write
from tidegate.sql.found import ACCESS_SHARE, SHARE_ROW_EXCLUSIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.check.tables import Table
    from tidegate.sql.effects import Relation, Statement

OWN = "own"
"""What a role must do to a table in order to alter it; no privilege can be granted for that."""

_BY_KIND = {
    "INSERT": "INSERT",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
    "TRUNCATE": "TRUNCATE",
    "CREATE TRIGGER": "TRIGGER",
}
_READING = {
    "SELECT",
    "MERGE",
    "COPY",
    "EXPLAIN",
    "LOCK TABLE",
    "CREATE VIEW",
    "CREATE TABLE AS",
    "CREATE MATERIALIZED VIEW",
}
_MAINTAINED = ("REINDEX", "VACUUM", "ANALYZE", "CLUSTER", "REFRESH")
"""Kinds for which, since PostgreSQL 17, MAINTAIN is enough."""


class Need(NamedTuple):
    """A privilege on a table."""

    oid: int
    name: str
    privilege: str


def check_privileges(
    connection: Connection, statements: list[Statement], tables: list[Table], *, version_table: str, as_role: str | None
) -> list[Finding]:
    """What the role may not do that the pending revisions and the record of them need."""
    role = role_of(connection, as_role)
    if not fetch_one(connection, "SELECT count(*) FROM pg_roles WHERE rolname = %s", (role,))[0]:
        hint = "`SELECT rolname FROM pg_roles` lists them; name one with `--as-role`"
        return [Finding("privileges", NO_GO, f"there is no role `{role}`", hint=hint, exit_code=13)]
    found = [
        *_for_writing(connection, role, is_named=as_role is not None),
        *_for_the_record(connection, role),
        *_for_the_version(connection, role, version_table),
        *_for_tables(connection, role, statements, tables),
        *_for_new_relations(connection, role, statements),
    ]
    return list(dict.fromkeys(found)) or [
        Finding("privileges", OK, f"role `{role}` has what the pending revisions need")
    ]


def _lacks(what: str, hint: str) -> Finding:
    return Finding("privileges", NO_GO, what, hint=hint, exit_code=13)


def _for_writing(connection: Connection, role: str, *, is_named: bool) -> Iterable[Finding]:
    command = command_to_write(connection, role)
    was_read_only = fetch_one(
        connection, "SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only'"
    )[0]  # what this session had before we set it
    if command or (was_read_only == "on" and not is_named):
        own = f'ALTER ROLE "{role}" SET default_transaction_read_only = off'
        yield _lacks(
            f"sessions of role `{role}` can only read (`default_transaction_read_only`)",
            f"`{command or own}`, or migrate as another role",
        )


def _for_the_record(connection: Connection, role: str) -> Iterable[Finding]:
    has_schema, may_create, name = fetch_one(
        connection,
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'tidegate'), "
        "has_database_privilege(%s, current_database(), 'CREATE'), current_database()",
        (role,),
    )
    if not has_schema:
        if not may_create:
            yield _lacks(
                f"role `{role}` may not create the schema `tidegate`, where runs are recorded",
                f'as a superuser: `GRANT CREATE ON DATABASE "{name}" TO "{role}"`',
            )
        return
    query = (
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'tidegate' AND c.relname IN ('run', 'revision') "
        "AND NOT (has_schema_privilege(%s, n.oid, 'USAGE') AND has_table_privilege(%s, c.oid, 'SELECT') "
        "AND has_table_privilege(%s, c.oid, 'INSERT') "
        "AND (c.relname = 'revision' OR has_table_privilege(%s, c.oid, 'UPDATE'))) ORDER BY 1"
    )
    lacking = [row[0] for row in fetch_all(connection, query, (role,) * 4)]
    if lacking:
        tables = ", ".join(f"tidegate.{table}" for table in lacking)
        yield _lacks(
            f"role `{role}` may not write the record of runs ({tables})",
            f'`GRANT SELECT, INSERT, UPDATE ON {tables} TO "{role}"`, or migrate as the role that owns them',
        )


def _for_the_version(connection: Connection, role: str, table: str) -> Iterable[Finding]:
    schema, _, name = table.rpartition(".")
    rows = fetch_all(
        connection,
        "SELECT c.oid::regclass::text, has_table_privilege(%s, c.oid, 'INSERT') AND has_table_privilege(%s, c.oid, "
        "'UPDATE') AND has_table_privilege(%s, c.oid, 'DELETE') FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "c.relnamespace WHERE c.relname = %s AND (n.nspname = %s OR (%s = '' AND pg_table_is_visible(c.oid)))",
        (role, role, role, name, schema, schema),
    )
    for found, may_write in rows:
        if not may_write:
            yield _lacks(
                f"role `{role}` may not write `{found}`, where Alembic keeps the revision",
                f'`GRANT SELECT, INSERT, UPDATE, DELETE ON {found} TO "{role}"`',
            )
    if not rows:
        yield from _lacking_create(connection, role, {schema or None})


def _for_tables(
    connection: Connection, role: str, statements: list[Statement], tables: list[Table]
) -> Iterable[Finding]:
    needs = {need for statement in statements for lock in statement.locks for need in _needs(statement, lock, tables)}
    if not needs:
        return
    values = ", ".join(["(%s::oid, %s::text, %s::text)"] * len(needs))
    query = (
        f"SELECT w.name, w.privilege, pg_get_userbyid(c.relowner) FROM (VALUES {values}) AS w (oid, name, privilege) "  # noqa: S608 - only placeholders
        "JOIN pg_class c ON c.oid = w.oid WHERE NOT CASE w.privilege "
        "WHEN 'own' THEN pg_has_role(%s, c.relowner, 'USAGE') "
        "ELSE has_table_privilege(%s, c.oid, w.privilege) END ORDER BY 1, 2"
    )
    rows = fetch_all(connection, query, (*(value for need in sorted(needs) for value in need), role, role))
    foreign = [(name, owner) for name, privilege, owner in rows if privilege == OWN]
    for name, owner in foreign:
        yield _lacks(
            f"role `{role}` does not own `{name}`, which a pending revision changes; `{owner}` does",
            f'migrate as `{owner}`, or `GRANT "{owner}" TO "{role}"`',
        )
    for name, privilege, _ in rows:
        if privilege != OWN and name not in {owned for owned, _ in foreign}:
            yield _lacks(f"role `{role}` lacks {privilege} on `{name}`", f'`GRANT {privilege} ON {name} TO "{role}"`')


def _needs(statement: Statement, lock: Relation, tables: list[Table]) -> Iterable[Need]:
    table = named(tables, lock)
    privilege = _privilege(statement, lock)
    if table is not None and privilege is not None:
        yield Need(table.oid, table.name, privilege)


def _privilege(statement: Statement, lock: Relation) -> str | None:
    """What the statement needs on the relation that it locks so."""
    if lock.mode == ACCESS_SHARE:
        return "SELECT"
    if statement.kind in _BY_KIND:
        return _BY_KIND[statement.kind]
    is_first = lock == statement.locks[0]
    if lock.mode == SHARE_ROW_EXCLUSIVE and (statement.kind == "CREATE TABLE" or not is_first):
        return "REFERENCES"
    return None if statement.kind in _READING or statement.kind.startswith(_MAINTAINED) else OWN


def _for_new_relations(connection: Connection, role: str, statements: list[Statement]) -> Iterable[Finding]:
    schemas = {schema for statement in statements for schema, _ in statement.creates}
    if schemas:
        yield from _lacking_create(connection, role, schemas)


def _lacking_create(connection: Connection, role: str, schemas: set[str | None]) -> Iterable[Finding]:
    query = (
        "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s) AND NOT (has_schema_privilege(%s, oid, 'CREATE') AND "
        "has_schema_privilege(%s, oid, 'USAGE')) ORDER BY 1"
    )
    current = fetch_one(connection, "SELECT coalesce(current_schema(), 'public')")[0]
    names = [schema or current for schema in schemas]
    for (schema,) in fetch_all(connection, query, (names, role, role)):
        yield _lacks(
            f"role `{role}` may not create anything in the schema `{schema}`",
            f'`GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{role}"`',
        )
