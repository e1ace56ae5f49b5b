"""The second wall: the service works under a role that owns nothing, and tells PostgreSQL for whom.

The policies of the tables let that role see only what belongs to `acting_person()`, and to `entered_workspace()`: two
settings of the connection, made by the very queries that find out who asks and what they belong to (`acting_as`,
`entering`), so that it costs no round trip. A connection that is handed out again still has those of whoever had it
before; so they count as stale from then on, and nothing runs on it before they are overwritten or cleared.

The operator's commands and migrations run as the owner of the tables, whom policies do not concern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, cast, event, false, func, literal_column, select

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement, Connection, PoolProxiedConnection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from expenses.engine import AsyncConnection, AsyncEngine

ROLE: Final = "expenses_app"
"""The role that the service works under. A migration makes it; whoever logs in for the service is its member."""

_STALE: Final = "expenses.is_stale"
"""What a connection's `info` has while its settings are those of whoever had it before."""

_TAKE_ROLE: Final = f"SET ROLE {ROLE}"
_CLEAR: Final = "SELECT set_config('expenses.person', '', false), set_config('expenses.workspace', '', false)"


def give_up_rights(engine: AsyncEngine) -> None:
    """Let every connection of this engine work under `ROLE`, and for nobody until it is said for whom.

    By a statement when it opens, not by a start parameter: a pooler in session mode lets only few of those through.
    """

    def opened(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.run_async(lambda driver: driver.execute(_TAKE_ROLE))

    def handed_out(_connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        entry.info[_STALE] = True

    def about_to_ask(connection: Connection, *_: object) -> None:
        # SQLAlchemy's adapter says BEGIN after this, so what is cleared here does not come back with a rollback.
        if connection.info.pop(_STALE, False):
            connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(_CLEAR))  # type: ignore[union-attr]  # there is one

    event.listen(engine.sync_engine, "connect", opened)
    event.listen(engine.sync_engine.pool, "checkout", handed_out)
    event.listen(engine.sync_engine, "before_cursor_execute", about_to_ask)


def note_handed_out(session: AsyncConnection) -> None:
    """Say that a connection goes to somebody else, who has not yet said who they are."""
    if session.sync_connection is not None:
        session.sync_connection.info[_STALE] = True


async def forget_former_user(connection: PoolProxiedConnection) -> None:
    """Clear the settings of whoever had this connection before, if that has not happened yet."""
    driver: Any = connection.driver_connection
    if connection.info.get(_STALE):
        await driver.execute(_CLEAR)
        note_overwritten(connection)


def note_overwritten(connection: PoolProxiedConnection) -> None:
    """Say that a statement that has just run has made the settings anew (`acting_as`)."""
    connection.info.pop(_STALE, None)


def acting_as(
    person_id: ColumnElement[UUID], *, within: ColumnElement[UUID] | None = None
) -> tuple[ColumnElement[str], ...]:
    """Columns for the query that finds out who asks: from now on the connection works for them.

    `within`: the workspace in which it does so, that they belong to. In none, if this is null or not given.
    """
    nowhere = literal_column("''", Text)
    return (
        _set_config("expenses.person", cast(person_id, Text)).label("acting_as"),
        _set_config(
            "expenses.workspace", nowhere if within is None else func.coalesce(cast(within, Text), nowhere)
        ).label("entered"),
    )


def entering(workspace_id: ColumnElement[UUID]) -> ColumnElement[str]:
    """A column for the query that finds out that somebody belongs to a workspace: from now on it sees what is in it."""
    return _set_config("expenses.workspace", cast(workspace_id, Text)).label("entered")


async def act_as(session: AsyncConnection, person_id: UUID) -> None:
    """Work for somebody who has proven who they are, or is just signing up; in no workspace."""
    await session.execute(select(*acting_as(cast(str(person_id), Text))))  # type: ignore[arg-type]  # text is as good


async def enter(session: AsyncConnection, workspace_id: UUID) -> None:
    """Work in a workspace that is just being made; others are entered by the query that looks for the membership."""
    await session.execute(select(entering(cast(str(workspace_id), Text))))  # type: ignore[arg-type]  # text is as good


async def sees_everything(session: AsyncConnection) -> bool:
    """Whether policies do not concern who logged in here: the tables' owner, and superusers."""
    return not (await session.execute(select(func.row_security_active("expense")))).scalar_one()


def _set_config(name: str, value: ColumnElement[str]) -> ColumnElement[str]:
    # The name as it is, not as a parameter: `db.HotQuery` would send it each time.
    return func.set_config(literal_column(f"'{name}'"), value, false())
