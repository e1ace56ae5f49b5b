"""What all commands of `expenses` share: how they fail, and the way to the database.

Exit codes: 0 done · 1 refused · 12 database not reachable · 13 database refuses us · 64 usage or configuration.
Imports the service only once a command really runs: `--help` does not wait for it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from expenses.config import Settings
    from expenses.db import Session

REFUSED, UNREACHABLE, TURNED_AWAY, USAGE = 1, 12, 13, 64

_TURNED_AWAY_STATES = frozenset({"28000", "28P01", "3D000", "42501"})
"""SQLSTATEs of a wrong user, a wrong password, a database that does not exist, and a right that is missing."""

_NO_SUCH_TABLE = "42P01"


@dataclass
class CommandFailed(Exception):
    """The command was not done. `what` and `hint` are for the operator, so they hold no secrets."""

    what: str
    hint: str
    exit_code: int


def operator_settings() -> Settings:
    """What the environment says. Raises `CommandFailed` when it does not fit together."""
    from expenses.config import Settings  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.errors import ConfigurationError  # noqa: PLC0415 - same

    try:
        return Settings.load()
    except ConfigurationError as exc:
        hint = "set `DATABASE_URL`, or `POSTGRES_PASSWORD` and its like, as for the service"
        raise CommandFailed(str(exc), hint, USAGE) from exc


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Session]:
    """A connection for one command. What the database refuses, inside the block too, becomes `CommandFailed`."""
    from expenses.db import create_operators_engine  # noqa: PLC0415 - `--help` does not wait for it

    engine = create_operators_engine(settings)
    try:
        async with engine.connect() as session:
            await _refuse_what_policies_hide(session)
            yield session
    except CommandFailed:
        raise
    except Exception as exc:
        raise _database_failure(exc) from exc
    finally:
        await engine.dispose()


async def _refuse_what_policies_hide(session: Session) -> None:
    from expenses.isolation import sees_everything  # noqa: PLC0415 - `--help` does not wait for it

    if not await sees_everything(session):
        hint = "say who owns the tables in `TIDEGATE_DATABASE_URL`; `DATABASE_URL` is the service's own login"
        raise CommandFailed("this login is not the owner of the tables, so it sees nothing in them", hint, TURNED_AWAY)


def as_clause(sentence: str) -> str:
    """A sentence as it stands behind `error:`."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _database_failure(exc: Exception) -> Exception:
    """What the operator can do about it; the same exception when we know nothing better."""
    sqlstate = getattr(exc, "sqlstate", None) or getattr(getattr(exc, "orig", None), "sqlstate", None)
    if sqlstate == _NO_SUCH_TABLE:
        return CommandFailed("the database has no tables yet", "run `alembic upgrade head` first", REFUSED)
    if sqlstate in _TURNED_AWAY_STATES:
        hint = "check `DATABASE_URL`, or `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB`"
        return CommandFailed(f"the database turned us away (SQLSTATE {sqlstate})", hint, TURNED_AWAY)
    if isinstance(exc, OSError | TimeoutError):
        hint = "check `DATABASE_URL` or `POSTGRES_HOST`, and that the database runs: `tidegate wait`"
        return CommandFailed("the database cannot be reached", hint, UNREACHABLE)
    return exc
