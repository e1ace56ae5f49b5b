"""Connections that must not haunt: what the server does when the network no longer reaches us.

A connection whose packets vanish is noticed by nobody for two hours (Linux's default for keepalives). Seen from the
server, a vanished run would hold the migration lock as long. How long we wait for the server stands in `answer`.
"""

from __future__ import annotations

from tidegate.database.asking import fetch_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

_WATCH = (
    "SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '5' WHEN 'tcp_user_timeout' THEN '10000' "
    "ELSE '3' END, false) FROM pg_settings WHERE name IN "
    "('tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'tcp_user_timeout')"
)


def watch_client(connection: Connection) -> None:
    """Let the server notice within 15 s that this session's client has vanished, and with it release its locks.

    Measured with a cable that was pulled: without this the lock of the vanished run was held on and on.
    """
    fetch_all(connection, _WATCH)
