"""One question to a server that did not let us in: why. In PostgreSQL's own protocol, without a driver.

Source: PostgreSQL manual, "Message Formats": StartupMessage; ErrorResponse, whose field `C` is the SQLSTATE;
AuthenticationOk, behind which a server without a free slot sends its error.
"""

from __future__ import annotations

import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.database.url import Database

ASKED_FOR_PASSWORD = "asked for a password"  # noqa: S105 - no password, the name of an answer
WELCOME = "let us in"
"""What a server answers to a first packet, beside a SQLSTATE."""

NOT_UP_YET = frozenset({"57P01", "57P02", "57P03", "53300", "53000", "53200"})
"""SQLSTATEs of a server that is stopping, starting, or full: all of them pass."""

_AUTHENTICATION_OK = b"R\0\0\0\x08\0\0\0\0"


def ask(database: Database, timeout_s: float) -> str | None:
    """What the server says to a first packet: a SQLSTATE, `ASKED_FOR_PASSWORD`, `WELCOME`, or nothing.

    Of several hosts the first one that answers counts. Where the URL asks for one that can be written to
    (`target_session_attrs`), a host that lets us in may be a standby, and that passes: no answer then.

    Args:
        timeout_s: For each host.
    """
    arguments = database.libpq_arguments()
    arguments = _of_service(arguments.get("service")) | arguments
    fields = {"user": arguments.get("user", "postgres"), "database": arguments.get("dbname", "postgres")}
    for host, port in _places(arguments):
        try:
            answer = _ask(host, port, fields, timeout_s)
        except (OSError, ValueError, struct.error):
            continue
        if answer in {ASKED_FOR_PASSWORD, WELCOME} and arguments.get("target_session_attrs", "any") != "any":
            continue
        if answer is not None:
            return answer
    return None


def _ask(host: str, port: str, fields: dict[str, str], timeout_s: float) -> str | None:
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in fields.items()) + b"\0"
    with _open_socket(host, port, timeout_s) as server:
        server.sendall(struct.pack("!ii", len(body) + 8, 196608) + body)
        reply = server.recv(8192)
        if reply[:9] == _AUTHENTICATION_OK:
            reply = reply[9:] or server.recv(8192)
    if not reply:
        return None
    if reply[:1] == b"E":
        states = [part[1:].decode("ascii", "replace") for part in reply[5:].split(b"\0") if part[:1] == b"C"]
        return states[0] if states else WELCOME
    return ASKED_FOR_PASSWORD if reply[:1] == b"R" else WELCOME


def _places(arguments: dict[str, str]) -> Iterator[tuple[str, str]]:
    hosts = (arguments.get("host") or os.environ.get("PGHOST") or "/var/run/postgresql").split(",")
    ports = (arguments.get("port") or os.environ.get("PGPORT") or "5432").split(",")
    for i, host in enumerate(hosts):
        yield host, ports[min(i, len(ports) - 1)] or "5432"


def has_service(name: str) -> bool:
    """Whether a service file that we know of defines it."""
    return bool(_of_service(name))


def _of_service(name: str | None) -> dict[str, str]:
    """What libpq takes from a service file; nothing when it cannot be found, and then libpq says so."""
    if name is None:
        return {}
    import configparser

    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    own = os.environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")
    try:
        parser.read([os.path.join(os.environ.get("PGSYSCONFDIR", "/etc"), "pg_service.conf"), own], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return dict(parser.items(name)) if parser.has_section(name) else {}


def _open_socket(host: str, port: str, timeout_s: float) -> socket.socket:
    if host.startswith("/"):
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(timeout_s)
        local.connect(f"{host}/.s.PGSQL.{port}")
        return local
    return socket.create_connection((host, int(port)), timeout=timeout_s)
