"""The parts of a PostgreSQL URL, read as SQLAlchemy reads it and, where that fails, as libpq does.

`urllib` will not do: it ends a password at the first `/`, `?` or `#`, which SQLAlchemy takes as they are, it turns the
name of a socket's folder into lower case, and it knows one host only.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote

_URL = re.compile(
    r"(?P<scheme>[\w+]+)://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
"""Source: `sqlalchemy.engine.url._parse_url` (2.1), with several hosts instead of one."""

_LOGIN = frozenset({"user", "password", "dbname"})
"""What libpq takes from behind the `?` as well."""

_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?")


class Address(NamedTuple):
    """A URL taken apart; everything is decoded."""

    driver: str | None
    user: str | None
    password: str | None
    hosts: tuple[tuple[str, str], ...]
    """Host and port, each may be empty. A host that begins with `/` is a socket's folder."""
    name: str | None
    query: tuple[tuple[str, str], ...]
    """What stands behind the `?`, without hosts, ports and what else has a place of its own here."""
    raw_password: str | None
    """The password as it is written in the URL."""
    is_plain: bool
    """Whether SQLAlchemy understands the URL as it is written."""

    def url(self, driver: str | None) -> str:
        """The same database in a form that SQLAlchemy understands, for this driver."""
        login = quote(self.user, safe="") if self.user else ""
        if self.password is not None:
            login += ":" + quote(self.password, safe="")
        place, query = "", list(self.query)
        if len(self.hosts) == 1 and not self.hosts[0][0].startswith("/"):
            host, port = self.hosts[0]
            place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        else:
            query += [("host", f"{host}:{port}" if port and host[:1] != "/" else host) for host, port in self.hosts]
            query += [("port", port) for host, port in self.hosts if port and host[:1] == "/"]
        options = "&".join(f"{name}={quote(value, safe='/:,')}" for name, value in query)
        return (
            f"postgresql{'+' + driver if driver else ''}://{login + '@' if login else ''}{place}"
            f"/{quote(self.name or '', safe='')}{'?' + options if options else ''}"
        )


def read_address(url: str) -> Address:
    """The parts of a URL.

    Raises:
        ValueError: It is no URL, or a port is no number; the text holds nothing of the URL.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("it does not look like `postgresql://user:password@host/database`")
    password, hosts = match["password"], match["hosts"]
    has_spare_at = "@" in hosts
    if has_spare_at and password is not None:  # a raw `@` in a password: the last one counts, as for libpq
        more, _, hosts = hosts.rpartition("@")
        password = f"{password}@{more}"
    query = parse_qsl(match["query"] or "")
    named = [value for name, value in query if name == "host"]
    ports = [port for name, value in query if name == "port" for port in value.split(",")]
    pairs = [_host_and_port(part, is_socket_path=False) for part in hosts.split(",")] if hosts else []
    pairs = pairs or [_host_and_port(part, is_socket_path=True) for value in named for part in value.split(",")]
    if ports:
        pairs = [(host, ports[min(i, len(ports) - 1)]) for i, (host, _) in enumerate(pairs or [("", "")])]
    if any(port and not (port.isdigit() and int(port) <= 65535) for _, port in pairs):
        raise ValueError("its port is no number between 0 and 65535")
    login = {name: value for name, value in query if name in _LOGIN and value}  # counts, as for libpq and SQLAlchemy
    return Address(
        driver=match["scheme"].partition("+")[2] or None,
        user=login.get("user") or _decoded(match["user"]) or None,
        password=login.get("password") or _decoded(password),
        hosts=tuple(pairs),
        name=login.get("dbname") or _decoded(match["name"]) or None,
        query=tuple((name, value) for name, value in query if name not in {"host", "port", *_LOGIN}),
        raw_password=password,
        is_plain=not login and not (has_spare_at or "," in hosts or "%" in hosts),
    )


def _host_and_port(text: str, *, is_socket_path: bool) -> tuple[str, str]:
    if is_socket_path and text.startswith("/"):
        return text, ""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise ValueError("its host cannot be read")
    return unquote(match["host"]).strip("[]"), match["port"] or ""


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)
