"""The operator's word: whether this start may migrate."""

from __future__ import annotations

from tidegate.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "RUN_MIGRATIONS"

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def migrations_wanted(environ: Mapping[str, str]) -> bool:
    """Whether `RUN_MIGRATIONS` says so; unset is no.

    A boolean and nothing else: an entrypoint that tests for "not empty" migrates when the operator wrote
    `false` (Airflow's official one does).

    Raises:
        UsageError: The value is neither true/1/yes/on nor false/0/no/off, in any case.
    """
    return read_switch(environ, VARIABLE)


def read_switch(environ: Mapping[str, str], variable: str) -> bool:
    """What a variable says that is either true or false; unset is false.

    Raises:
        UsageError: As above.
    """
    value = environ.get(variable)
    if value is None:
        return False
    word = value.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UsageError(
        f"`{variable}` is `{value}`, which is neither true nor false",
        hint=f"set `{variable}` to true, 1, yes or on, or to false, 0, no or off",
    )
