"""What can go wrong, and the exit code that says so.

    TidegateError                  1
    ├── UsageError                64   the command line, the environment or a configuration file
    ├── MigrationFailed           10   a revision failed; says what was rolled back and what was not
    ├── LockBusy                  11   another run holds the lock, or a killed one left a statement running
    ├── DatabaseUnreachable       12   no answer in time; waiting longer may help
    ├── DatabaseRefused           13   wrong password, no such database, no privilege: waiting never helps
    ├── PoolerInTheWay            14   a transaction pooler stands between us and PostgreSQL
    ├── DamageFound               15   something an earlier run left behind
    ├── WrongSchema             5…8   the database is at a place that this code cannot work with
    └── Interrupted            130/143 stopped by a signal; what ran was rolled back

The class docstring is the default message. `hint` is the next command. No message holds a password: every
text that may come from a driver goes through `redact` first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class TidegateError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = 1
    """What the process ends with."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").rstrip(".")
        self.hint = hint
        super().__init__(self.message)

    def render(self) -> str:
        """The text for a terminal: `error: …`, a blank line, `hint: …`."""
        text = f"error: {self.message}"
        return f"{text}\n\nhint: {self.hint}" if self.hint else text


class UsageError(TidegateError):
    """The command line or the configuration cannot be understood."""

    exit_code = 64


class NotStatic(TidegateError):
    """The revision files cannot be read without running them; Alembic itself has to."""


class MigrationFailed(TidegateError):
    """A migration failed."""

    exit_code = 10

    def __init__(
        self, message: str, *, hint: str | None = None, sqlstate: str | None = None, revision: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.revision = revision


class LockBusy(TidegateError):
    """Another run holds the migration lock."""

    exit_code = 11

    def __init__(self, message: str, *, hint: str | None = None, holder_pid: int | None, waited_s: float) -> None:
        super().__init__(message, hint=hint)
        self.holder_pid = holder_pid
        self.waited_s = waited_s


class DatabaseUnreachable(TidegateError):
    """The database did not answer in time."""

    exit_code = 12


class DatabaseRefused(TidegateError):
    """The database answered and refused; waiting will not help."""

    exit_code = 13

    def __init__(self, message: str | None = None, *, hint: str | None = None, is_certain: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.is_certain = is_certain


class PoolerInTheWay(TidegateError):
    """A transaction pooler stands between tidegate and PostgreSQL, so session locks and settings would be lost."""

    exit_code = 14


class DamageFound(TidegateError):
    """An earlier run left something behind."""

    exit_code = 15


class WrongSchema(TidegateError):
    """The database is at a revision that this code cannot work with."""

    def __init__(self, message: str, *, hint: str | None = None, state: str, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.state = state
        self.exit_code = exit_code  # type: ignore[misc]  # one class for the four states, each with its own code


class Interrupted(TidegateError):
    """Stopped by a signal."""

    def __init__(self, signum: int, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.signum = signum
        self.exit_code = 128 + signum  # type: ignore[misc]  # the shell's convention for a death by signal
