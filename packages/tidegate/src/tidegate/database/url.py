"""Where the database is: which URL counts, what the driver gets of it, and how it looks without its secrets."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote

from tidegate.database.address import Address, read_address
from tidegate.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLES = ("TIDEGATE_DATABASE_URL", "DATABASE_URL")
"""Environment variables that may hold the URL, the first that is set counts; each also as `NAME_FILE`."""

LIBPQ_OPTIONS = frozenset(
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
        "require_auth",
    }
)
"""Query parameters of a URL that libpq knows; the others belong to some driver of the application and are left out."""

_CREDENTIALS = re.compile(r"(://[^:/@\s]*):\S*@")
"""Up to the last `@`: a password may hold one, and a `/` as well."""

_PASSWORD_WORD = re.compile(r"(password\s*(?:=\s*)?)('(?:[^']|'')*'|(?<==)\S+|(?<== )\S+)", re.IGNORECASE)
"""`password=…` of a connection string and `PASSWORD '…'` of SQL."""

_SHORTEST_SECRET = 4
"""Shorter passwords are not searched for in texts: replacing every `p` by `***` would tell the password."""


class Database(NamedTuple):
    """A database as the operator named it. `url` holds the password: it is for drivers, never for output."""

    url: str
    origin: str
    """Which of the places it came from, for messages."""

    @property
    def address(self) -> Address:
        """The URL taken apart."""
        return read_address(self.url)

    def libpq_arguments(self) -> dict[str, str]:
        """Keyword arguments for `psycopg2.connect`, without what only other drivers understand."""
        parts = self.address
        query = dict(parts.query)
        arguments = {name: value for name, value in query.items() if name in LIBPQ_OPTIONS}
        if "ssl" in query and "sslmode" not in query:  # asyncpg's name for it
            arguments["sslmode"] = {"true": "require", "1": "require"}.get(query["ssl"].lower(), query["ssl"])
        given = {
            "host": ",".join(host for host, _ in parts.hosts).strip(","),
            "port": ",".join(port for _, port in parts.hosts) if any(port for _, port in parts.hosts) else None,
            "user": parts.user,
            "password": parts.password,
            "dbname": parts.name,
        }
        return arguments | {name: value for name, value in given.items() if value}

    def redact(self, text: str) -> str:
        """The text with this database's password, and anything that looks like one, replaced by `***`."""
        address = self.address
        more = (dict(address.query).get("sslpassword"), os.environ.get("PGPASSWORD"))
        for secret in (address.raw_password, address.password, *more, *sorted(_used_elsewhere, key=len, reverse=True)):
            text = text.replace(secret, "***") if secret and len(secret) >= _SHORTEST_SECRET else text
        return redact(text)

    def __str__(self) -> str:
        """Host, port and database name; what a message may show."""
        arguments = self.libpq_arguments()
        host = arguments.get("host", "local socket")
        host = f"service {arguments['service']}" if "service" in arguments and "host" not in arguments else host
        port = f":{arguments['port']}" if "port" in arguments else ""
        return f"{host}{port}/{arguments.get('dbname', '')}"

    def __repr__(self) -> str:
        return f"<Database {self} from {self.origin}>"


_used_elsewhere: set[str] = set()
"""Passwords that libpq took from a service file or a password file: they are in no URL, and may be in an error."""


def note_password(used: str | None) -> None:
    """A connection was made with this password: no text that `Database.redact` has seen shows it from now on."""
    _used_elsewhere.update({used} - {None, ""})  # type: ignore[arg-type]  # what is left are strings


def redact(text: str) -> str:
    """The text with the password of every URL and every `password=…` in it replaced by `***`."""
    return _PASSWORD_WORD.sub(r"\1***", _CREDENTIALS.sub(r"\1:***@", text))


def find_database(
    option: str | None,
    environ: Mapping[str, str],
    ini_url: str | None,
    *,
    ini_first: bool = False,
    explain: Callable[[], tuple[str, str | None]] = lambda: ("`sqlalchemy.url` is not set", None),
) -> Database:
    """The database of this project: the option, then the environment, then `sqlalchemy.url`.

    The environment is `TIDEGATE_DATABASE_URL`, `DATABASE_URL`, and if neither is set the variables of the
    official PostgreSQL image (`POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`, with `POSTGRES_HOST`
    and `POSTGRES_PORT`), so that a password needs to be written once. Each secret may be `NAME_FILE`.

    Args:
        ini_first: `sqlalchemy.url` counts before `DATABASE_URL`, as it does for Alembic itself.
        explain: Asked when there is no URL: what the configuration file has in its place, and the next command.

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
    ini_says, hint = explain()
    raise UsageError(
        "no database URL in any of the three places:\n"
        "  `--database-url`:     not given\n"
        f"  environment:          {_what_the_environment_says(environ)}\n"
        f"  configuration file:   {ini_says}",
        hint=hint
        or "set `DATABASE_URL=postgresql://user:password@host/database`, the one that `env.py` connects to, "
        "and repeat the command",
    )


def _what_the_environment_says(environ: Mapping[str, str]) -> str:
    said = [f"`{name}` is {'empty' if name in environ else 'not set'}" for name in VARIABLES]
    return ", ".join(said) + ", nor is `POSTGRES_PASSWORD` (with `POSTGRES_USER`, `POSTGRES_DB`, `POSTGRES_HOST`)"


def _checked(url: str, origin: str) -> Database:
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme not in {"postgresql", "postgres"}:
        raise UsageError(
            f"the URL from {origin} is not PostgreSQL's (it begins with `{scheme[:20]}`)",
            hint="tidegate guards PostgreSQL; write `postgresql://user:password@host/database`",
        )
    try:
        read_address(url)
    except ValueError as exc:
        raise UsageError(
            f"the URL from {origin} cannot be read: {exc}",
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
