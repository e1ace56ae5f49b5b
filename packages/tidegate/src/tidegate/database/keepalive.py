"""Connections that must neither haunt nor hang: what happens to them when the network or the server stops answering.

A connection whose packets vanish is noticed by nobody for two hours (Linux's default for keepalives). Seen from the
server, a vanished run would hold the migration lock as long; seen from us, a query would never return.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress

from tidegate.database.connect import fetch_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

ANSWER_WITHIN_S = 10.0
"""How long the server may take to answer on the control connection before that counts as lost."""

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


@contextmanager
def bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """For the length of a block the server answers within this time, or the connection is cut and the query fails.

    libpq waits for an answer without a bound and does not let Python handle a signal meanwhile: a server that hangs
    (a stopped process, a frozen disk, a proxy that swallows) would make us deaf to SIGTERM. TCP's own timeouts do not
    help there, since the machine still acknowledges every packet.
    """
    from threading import Lock, Timer

    guard, is_over, fd = Lock(), False, connection.fileno()

    def cut() -> None:
        with guard:
            if not is_over:
                _shut_down(fd)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with guard:  # a number of a closed file may be another file's by then
            is_over = True
        timer.cancel()


def _shut_down(fd: int) -> None:
    borrowed = socket.socket(fileno=fd)
    with suppress(OSError):
        borrowed.shutdown(socket.SHUT_RDWR)
    borrowed.detach()
