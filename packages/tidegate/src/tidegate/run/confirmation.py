"""The operator's yes to a downgrade that loses data, and what he is told without it.

Asked with the lock held, of the database as it is, before anything is written down. Only a downgrade needs it.
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg2 import errors

from tidegate.database.asking import fetch_all, fetch_one
from tidegate.errors import UsageError
from tidegate.report.target import YES_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.run.request import Request
    from tidegate.sql.loss import Loss
    from tidegate.sql.parse_tree import Name

COUNTED_UP_TO = 16 * 1024 * 1024
"""Bytes of a table whose rows are counted; those of a larger one are estimated, as the planner does."""

PATIENCE_MS = 2000
"""For each question to a table. One that is not answered in time counts as "yes, there are rows"."""


_DOUBT = "may drop rows"


class _Table(NamedTuple):
    name: str
    """Quoted, and with its schema where the search path does not lead there."""
    size: int
    """In bytes, with its partitions, when it was last analyzed; `pg_relation_size` would wait for whoever locks it."""
    estimate: float
    """Rows, as the planner sees it; none is known where it is not above zero."""


def refuse_loss(connection: Connection, request: Request, current: Iterable[str]) -> None:
    """Return if the downgrade loses nothing that is there now.

    Raises:
        UsageError: It does, or it may: lists what, and names the commands that back up and go on.
    """
    found = list(dict.fromkeys(_lines(connection, _losses(request, tuple(current)))))
    if not found:
        return
    listing = "".join(f"\n  {line}" for line in found)
    verb = "may" if all(f"{_DOUBT}:" in line for line in found) else "would"
    backup = "pg_dump -Fc -f before-downgrade.dump"
    if request.command.startswith("alembic"):
        both = f"{YES_VARIABLE}=1 TIDEGATE_BEFORE='{backup}' {request.command}"
        only = f"{YES_VARIABLE}=1 {request.command}"
    else:
        both, only = f"{request.command} --yes --before '{backup}'", f"{request.command} --yes"
    raise UsageError(
        f"`{request.command}` {verb} lose data, and nothing was changed:{listing}",
        hint=f"back up and go on: `{both}`; or without a backup: `{only}`",
    )


def _losses(request: Request, current: tuple[str, ...]) -> list[Loss]:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    from tidegate.project.alembic_config import alembic_config
    from tidegate.project.undoing import losses_in_file
    from tidegate.sql.loss import Loss

    try:
        script = ScriptDirectory.from_config(alembic_config(request.project))
        steps = script._downgrade_revs(request.target, current)  # type: ignore[arg-type]  # noqa: SLF001 - what alembic.command calls, and with a tuple
        losses: list[Loss] = []
        for step in steps:
            with open(step.revision.path, encoding="utf-8") as file:
                losses += losses_in_file(step.revision.revision, file.read())
    except CommandError:
        return []  # the worker comes to the same end, and words it
    except Exception as exc:  # noqa: BLE001 - what cannot be read may do anything
        return [Loss("unknown", why=f"they cannot be read ({type(exc).__name__}: {exc})", where="the revision files")]
    return losses


def _lines(connection: Connection, losses: list[Loss]) -> Iterator[str]:
    """What of it is in the database now, in words."""
    is_renamed = False
    for loss in losses:
        is_renamed |= loss.kind in {"rename", "unknown"}
        if loss.kind == "unknown":
            yield f"{loss.where}: {_DOUBT}: {loss.why}"
        elif loss.table is not None:
            yield from _of_table(connection, loss, loss.table, is_renamed=is_renamed)


def _of_table(connection: Connection, loss: Loss, name: Name, *, is_renamed: bool) -> Iterator[str]:
    tables = _tables(connection, name, loss.column)
    if not tables and is_renamed:
        yield f"{loss.where}: {_DOUBT}: `{name}` has another name before an earlier step renames it"
    for table in tables:
        rows = _rows(connection, table, loss.column)
        if rows is None:
            continue
        what = f"column {table.name}.{loss.column}" if loss.column else f"table {table.name}"
        yield f"{'rows of ' if loss.kind == 'rows' else ''}{what}: {rows}"


def _tables(connection: Connection, name: Name, column: str | None) -> list[_Table]:
    """The tables of that name: where the search path says, else, as `env.py` may set another one, all of them."""
    rows = fetch_all(
        connection,
        "SELECT c.oid::regclass::text, d.pages * current_setting('block_size')::bigint, d.rows, "
        "pg_table_is_visible(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, "
        "LATERAL (SELECT sum(l.relpages)::bigint AS pages, sum(greatest(l.reltuples, 0))::float AS rows "
        "FROM pg_class l WHERE CASE c.relkind WHEN 'r' THEN l.oid = c.oid "
        "ELSE l.oid IN (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) END) d "
        "WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND n.nspname = coalesce(%s, n.nspname) "
        "AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname NOT IN ('information_schema', 'tidegate') "
        "AND (%s::text IS NULL OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = %s "
        "AND NOT a.attisdropped)) ORDER BY 1",
        (name.name, name.schema, column, column),
    )
    visible = [row for row in rows if row[3]]
    return [_Table(*row[:3]) for row in (rows if name.schema or not visible else visible)]


def _rows(connection: Connection, table: _Table, column: str | None) -> str | None:
    """How many rows hold something there; nothing if none does."""
    quoted = '"{}"'.format(column.replace('"', '""')) if column else "*"
    condition = f"WHERE {quoted} IS NOT NULL" if column else ""
    try:
        if table.size <= COUNTED_UP_TO:
            count = _ask(connection, f"SELECT count({quoted}) FROM {table.name}")  # noqa: S608 - quoted by PostgreSQL
            return _plural(count) if count else None
        if not _ask(connection, f"SELECT EXISTS (SELECT FROM {table.name} {condition})"):  # noqa: S608 - as above
            return None
    except (errors.QueryCanceled, errors.LockNotAvailable, errors.InsufficientPrivilege):
        pass  # then it is taken to hold some
    estimate = _plural(round(table.estimate)) if table.estimate > 0 else "an unknown number of rows"
    return f"{'up to ' if column else ''}{estimate} (estimated)"


def _ask(connection: Connection, query: str) -> int:
    """The answer, a number or yes (1) or no (0), within our patience; the settings go with the transaction."""
    try:
        answer = fetch_one(
            connection,
            f"BEGIN; SET LOCAL statement_timeout = {PATIENCE_MS}; SET LOCAL lock_timeout = {PATIENCE_MS}; {query}",
        )
        return int(answer[0])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def _plural(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
