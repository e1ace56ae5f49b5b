"""Why a session can only read, as the command that changes it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

PRIMARY = "give tidegate the URL of the primary in `TIDEGATE_DATABASE_URL`"
"""The way out on a standby."""


def command_to_write(connection: Connection, role: str) -> str | None:
    """The SQL that lets the role's sessions write in this database; nothing where role and database do not forbid it.

    It says `READ WRITE` itself, since whoever types it may be in such a session.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS, (role,))
        found = [f"ALTER {place} RESET default_transaction_read_only" for (place,) in cursor.fetchall()]
    return "; ".join(["BEGIN READ WRITE", *found, "COMMIT"]) if found else None


def how_to_write(connection: Connection) -> str:
    """What to do so that our sessions may write."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery(), current_user")
        is_standby, role = cursor.fetchone() or (False, "")
    if is_standby:
        return PRIMARY
    command = command_to_write(connection, role)
    place = (
        f"`{command}`" if command else "take it out of `PGOPTIONS`, the URL's `options` or the server's own settings"
    )
    return f"the sessions can only read by `default_transaction_read_only`: {place}; or migrate as another role"


_SETTINGS = """
SELECT CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 'ROLE ALL'
    WHEN s.setrole = 0 THEN format('DATABASE %%I', d.datname)
    WHEN s.setdatabase = 0 THEN format('ROLE %%I', r.rolname)
    ELSE format('ROLE %%I IN DATABASE %%I', r.rolname, d.datname) END
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE (r.rolname = %s OR s.setrole = 0) AND (d.datname = current_database() OR s.setdatabase = 0)
    AND s.setconfig && ARRAY['default_transaction_read_only=on', 'default_transaction_read_only=true']
ORDER BY s.setrole = 0, s.setdatabase = 0
"""
