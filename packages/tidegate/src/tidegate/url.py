"""Where the database is: which URL counts, what the driver gets of it, and how it looks without its secrets."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tidegate.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = ("TIDEGATE_DATABASE_URL", "DATABASE_URL")
"""Environment variables that may hold the URL, the first that is set counts; each also as `NAME_FILE`."""

_LIBPQ_OPTIONS = frozenset(
    {
        "sslmode",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "sslnegotiation",
        "requirepeer",
        "channel_binding",
        "gssencmode",
        "krbsrvname",
        "options",
        "connect_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "target_session_attrs",
        "load_balance_hosts",
        "service",
        "passfile",
        "hostaddr",
        "host",
        "port",
        "require_auth",
    }
)
"""Query parameters of a URL that libpq knows; the others belong to some driver of the application and are left out."""

_CREDENTIALS = re.compile(r"(://[^:/@\s]*):[^@/\s]*@")
_PASSWORD_WORD = re.compile(r"(password\s*(?:=\s*)?)('(?:[^']|'')*'|(?<==)\S+|(?<== )\S+)", re.IGNORECASE)
"""`password=…` of a connection string and `PASSWORD '…'` of SQL."""

_SHORTEST_SECRET = 4
"""Shorter passwords are not searched for in texts: replacing every `p` by `***` would tell the password."""


class Database(NamedTuple):
    """A database as the operator named it. `url` holds the password: it is for drivers, never for output."""

    url: str
    origin: str
    """Which of the places it came from, for messages."""

    def libpq_arguments(self) -> dict[str, str]:
        """Keyword arguments for `psycopg2.connect`, without what only other drivers understand."""
        parts = urlsplit(self.url)
        query = dict(parse_qsl(parts.query))
        arguments = {name: value for name, value in query.items() if name in _LIBPQ_OPTIONS}
        if "ssl" in query and "sslmode" not in query:  # asyncpg's name for it
            arguments["sslmode"] = {"true": "require", "1": "require"}.get(query["ssl"].lower(), query["ssl"])
        given = {
            "host": unquote(parts.hostname) if parts.hostname else None,
            "port": str(parts.port) if parts.port else None,
            "user": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "dbname": unquote(parts.path.lstrip("/")) or None,
        }
        return arguments | {name: value for name, value in given.items() if value is not None}

    def redact(self, text: str) -> str:
        """The text with this database's password, and anything that looks like one, replaced by `***`."""
        password = urlsplit(self.url).password
        for secret in {password, unquote(password)} if password else ():
            text = text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text
        return redact(text)

    def __str__(self) -> str:
        """Host, port and database name; what a message may show."""
        arguments = self.libpq_arguments()
        host = arguments.get("host", "local socket")
        port = f":{arguments['port']}" if "port" in arguments else ""
        return f"{host}{port}/{arguments.get('dbname', '')}"

    def __repr__(self) -> str:
        return f"<Database {self} from {self.origin}>"


def redact(text: str) -> str:
    """The text with the password of every URL and every `password=…` in it replaced by `***`."""
    return _PASSWORD_WORD.sub(r"\1***", _CREDENTIALS.sub(r"\1:***@", text))


def find_database(
    option: str | None, environ: Mapping[str, str], ini_url: str | None, *, ini_first: bool = False
) -> Database:
    """The database of this project: the option, then the environment, then `sqlalchemy.url`.

    The environment is `TIDEGATE_DATABASE_URL`, `DATABASE_URL`, and if neither is set the variables of the
    official PostgreSQL image (`POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`, with `POSTGRES_HOST`
    and `POSTGRES_PORT`), so that a password needs to be written once. Each secret may be `NAME_FILE`.

    Args:
        ini_first: `sqlalchemy.url` counts before `DATABASE_URL`, as it does for Alembic itself.

    Raises:
        UsageError: No place has a URL, it is not PostgreSQL's, or a secret is given twice or unreadable.
    """
    places = [(option, "`--database-url`"), (_variable(environ, VARIABLES[0]), f"`{VARIABLES[0]}`")]
    from_ini = [(_real(ini_url), "`sqlalchemy.url`")]
    from_environ = [
        (_variable(environ, VARIABLES[1]), f"`{VARIABLES[1]}`"),
        (_composed(environ), "`POSTGRES_PASSWORD` and its companions"),
    ]
    places += from_ini + from_environ if ini_first else from_environ + from_ini
    for url, origin in places:
        if url:
            return _checked(url, origin)
    raise UsageError(
        "no database URL: looked at `--database-url`, at the environment (`TIDEGATE_DATABASE_URL`, `DATABASE_URL`, "
        "or `POSTGRES_PASSWORD` with `POSTGRES_USER`, `POSTGRES_DB` and `POSTGRES_HOST`), "
        "and at `sqlalchemy.url` in the configuration file",
        hint="set `DATABASE_URL=postgresql://user:password@host/database`",
    )


def _checked(url: str, origin: str) -> Database:
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme not in {"postgresql", "postgres"}:
        raise UsageError(
            f"the URL from {origin} is not PostgreSQL's (it begins with `{scheme[:20]}`)",
            hint="tidegate guards PostgreSQL; write `postgresql://user:password@host/database`",
        )
    try:
        urlsplit(url).port  # noqa: B018 - raises when the port is no number
    except ValueError as exc:
        raise UsageError(
            f"the URL from {origin} cannot be read: its port is no number between 0 and 65535",
            hint="characters such as `@`, `:`, `/` and `#` in a password must be percent-encoded (`@` is `%40`)",
        ) from exc
    return Database(url, origin)


def _real(ini_url: str | None) -> str | None:
    """The URL of the configuration file, unless it is the placeholder of Alembic's template."""
    return None if not ini_url or ini_url.startswith("driver://") else ini_url


def _composed(environ: Mapping[str, str]) -> str | None:
    password = _variable(environ, "POSTGRES_PASSWORD")
    if not password:
        return None
    user = environ.get("POSTGRES_USER") or "postgres"
    name = environ.get("POSTGRES_DB") or user
    host, port = environ.get("POSTGRES_HOST") or "db", environ.get("POSTGRES_PORT") or "5432"
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{quote(name, safe='')}"


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    value, path = environ.get(name), environ.get(f"{name}_FILE")
    if value and path:
        raise UsageError(f"both `{name}` and `{name}_FILE` are set", hint="unset one of them")
    if not path:
        return value or None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().rstrip("\r\n")
    except OSError as exc:
        raise UsageError(
            f"cannot read `{path}`, which `{name}_FILE` names: {os.strerror(exc.errno or 0).lower()}",
            hint="mount the secret, or correct the path",
        ) from exc
