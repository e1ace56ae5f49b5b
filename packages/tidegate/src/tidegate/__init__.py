"""Makes Alembic migrations an operator's explicit decision, and makes them safe.

Public names: `guard` for `env.py`, `SchemaGate` for a server, `upgrade` for a program, what the two answer, the
errors. Everything else is private to the package, whatever its name. Importing this imports nothing else; names load
when they are used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.api import upgrade
    from tidegate.door import guard
    from tidegate.errors import (
        DamageFound,
        DatabaseRefused,
        DatabaseUnreachable,
        Interrupted,
        LockBusy,
        MigrationFailed,
        PoolerInTheWay,
        TidegateError,
        UsageError,
        WrongSchema,
    )
    from tidegate.gate import Report, SchemaGate
    from tidegate.report.state import Judgement

_HOMES = {
    "guard": "tidegate.door",
    "SchemaGate": "tidegate.gate",
    "Report": "tidegate.gate",
    "upgrade": "tidegate.api",
    "Judgement": "tidegate.report.state",
}

__all__ = [
    "DamageFound",
    "DatabaseRefused",
    "DatabaseUnreachable",
    "Interrupted",
    "Judgement",
    "LockBusy",
    "MigrationFailed",
    "PoolerInTheWay",
    "Report",
    "SchemaGate",
    "TidegateError",
    "UsageError",
    "WrongSchema",
    "guard",
    "upgrade",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not listed is an error and no `object`

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module `tidegate` has no attribute `{name}`")
        from importlib import import_module

        return getattr(import_module(_HOMES.get(name, "tidegate.errors")), name)
