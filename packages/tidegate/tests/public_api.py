"""The whole public API as a program uses it, for the type checker: `make check` reads this, nothing runs it.

Every line that is marked as ignored must not type-check: mypy says so when one of them does (`warn_unused_ignores`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_type

import tidegate
from tidegate import (
    DamageFound,
    DatabaseRefused,
    DatabaseUnreachable,
    Interrupted,
    Judgement,
    LockBusy,
    MigrationFailed,
    PoolerInTheWay,
    Report,
    SchemaGate,
    TidegateError,
    UsageError,
    WrongSchema,
    guard,
    upgrade,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def in_env_py() -> None:
    assert_type(guard(), None)
    guard("postgresql://host/name")
    guard(url=None)
    guard(42)  # type: ignore[arg-type]  # a URL is text
    guard(retries=3)  # type: ignore[call-arg]  # no such argument


def in_a_server(path: str) -> str:
    gate = SchemaGate("alembic.ini", database_url=None, interval=timedelta(seconds=2), environ={"A": "b"})
    assert_type(gate.start(), None)
    report = gate.report
    assert_type(report, Report)
    assert_type(report.is_open, bool)
    assert_type(report.state, str | None)
    assert_type(report.pending, tuple[str, ...])
    assert_type(gate.stop(), None)
    gate.report = report  # type: ignore[misc]  # read-only
    report.is_open = True  # type: ignore[misc]  # read-only
    SchemaGate("alembic.ini", "postgresql://host/name")  # type: ignore[call-arg]  # by name only
    SchemaGate(driver="asyncpg")
    SchemaGate(driver="pg8000")  # type: ignore[arg-type]  # psycopg2 or asyncpg
    SchemaGate(interval=1.0)  # type: ignore[arg-type]  # a timedelta
    return report.state + path  # type: ignore[operator]  # there may be no state yet


def in_a_program(tell: Callable[[str], None]) -> bool:
    after = upgrade("alembic.ini", "head", database_url="postgresql://host/name", tell=tell)
    assert_type(after, Judgement)
    assert_type(after.state, str)
    assert_type(after.current, tuple[str, ...])
    assert_type(after.pending[0].id, str)
    assert_type(after.exit_code, int)
    after.state = "current"  # type: ignore[misc]  # read-only
    upgrade(revision=None)  # type: ignore[arg-type]  # the default is `head`
    upgrade("alembic.ini", "head", "postgresql://host/name")  # type: ignore[call-arg]  # by name only
    tidegate.downgrade()  # type: ignore[attr-defined]  # no such name
    return assert_type(after.may_serve, bool)


def when_it_fails() -> int:
    try:
        upgrade()
    except MigrationFailed as exc:
        assert_type(exc.revision, str | None)
        assert_type(exc.sqlstate, str | None)
        return exc.exit_code
    except LockBusy as exc:
        assert_type(exc.holder_pid, int | None)
        assert_type(exc.waited_s, float)
        return exc.holder_pid  # type: ignore[return-value]  # it may not be known
    except WrongSchema as exc:
        assert_type(exc.state, str)
    except Interrupted as exc:
        assert_type(exc.signum, int)
    except (DatabaseUnreachable, DatabaseRefused, PoolerInTheWay, DamageFound, UsageError) as exc:
        assert_type(exc.hint, str | None)
    except TidegateError as exc:
        assert_type(exc.message, str)
        assert_type(exc.render(), str)
        return exc.exit_code
    return 0
