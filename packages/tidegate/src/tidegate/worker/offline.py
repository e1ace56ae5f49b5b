"""The process that renders revisions as SQL: `python -m tidegate.worker.offline`, started by `forecast` only.

Alembic's offline mode, one revision at a time, so that one which cannot be rendered does not hide the others. The
database must not be touched, whatever `env.py` does: SQLAlchemy and the drivers are told to refuse every connection,
and the parent hands over an environment whose URL leads nowhere. Where `env.py` cannot do without a connection, the
revisions are rendered without `env.py`.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory


ONE_WITHIN_S = 3.0
"""How long one revision may take. Some loop until the database says that no row is left, which nobody says here."""

MOST_STATEMENTS = 500
"""How many statements are kept of a revision that was stopped."""


class Order(NamedTuple):
    """What is to be rendered."""

    config_file: str | None
    toml_file: str | None
    section: str
    options: dict[str, str]
    sqlalchemy_url: str
    """One that leads nowhere."""
    revisions: list[str]
    """Their ids, in order."""
    x_arguments: list[str]
    sys_path: list[str]
    answer_fd: int


class DatabaseForbidden(Exception):
    """Nothing may connect here."""


class TookTooLong(BaseException):
    """A revision was stopped; a base exception, so that no `except Exception` of its keeps it."""


def main() -> None:
    """Answer the order on standard input: a JSON object a line, one for each revision and one for the whole."""
    order = Order(**json.load(sys.stdin))
    sys.path.extend(folder for folder in order.sys_path if folder not in sys.path)
    answers = os.fdopen(order.answer_fd, "w", encoding="utf-8", buffering=1)

    def answer(**facts: Any) -> None:
        answers.write(json.dumps(facts) + "\n")

    try:
        _forbid_connections()
        _render(order, answer)
    except BaseException as exc:  # noqa: BLE001 - the parent must hear of everything, SystemExit of a revision too
        answer(failed=_named(exc))
    answers.close()
    sys.stdout.flush()
    os._exit(0)  # threads that an env.py left behind are not waited for


def _forbid_connections() -> None:
    import importlib

    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "do_connect")
    def _refuse(*_: Any) -> None:
        raise DatabaseForbidden("it connects to the database")

    for module, owner, name in (
        ("psycopg2", None, "connect"),
        ("psycopg", "Connection", "connect"),
        ("psycopg", "AsyncConnection", "connect"),
        ("asyncpg", None, "connect"),
        ("pg8000", None, "connect"),
    ):
        try:
            found = importlib.import_module(module)
        except Exception:  # noqa: BLE001, S112 - a driver that is not there, or broken, connects to nothing
            continue
        setattr(getattr(found, owner) if owner else found, name, _refuse)


def _render(order: Order, answer: Callable[..., None]) -> None:
    from argparse import Namespace

    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    from tidegate.project.alembic_config import alembic_config
    from tidegate.project.configuration import Project
    from tidegate.project.env_py import run_env

    project = Project(order.config_file, order.section, order.options, {}, order.toml_file)
    config = alembic_config(project, sqlalchemy_url=order.sqlalchemy_url)
    config.cmd_opts = Namespace(x=order.x_arguments or None, name=order.section, sql=True, raiseerr=True)
    config.output_buffer = config.stdout = sys.stderr
    script = ScriptDirectory.from_config(config)
    rendering = _Rendering(script, order.revisions, answer)
    target = order.revisions[-1] if order.revisions else "head"
    environment = EnvironmentContext(config, script, fn=rendering, as_sql=True, destination_rev=target)
    rendering.attach(environment)
    reason = "it has no offline mode"
    with environment:
        try:
            run_env(script, has_begun=lambda: rendering.is_done)
        except BaseException as exc:  # noqa: BLE001 - also SystemExit: an env.py may refuse offline mode
            reason = _named(exc)
        if not rendering.is_done:
            answer(without_env_py=reason)
            environment.configure()
            environment.run_migrations()


class _Rendering:
    """Carries the revisions out in the place of Alembic's own steps, and takes down what they would have executed."""

    def __init__(self, script: ScriptDirectory, revisions: list[str], answer: Callable[..., None]) -> None:
        self._script = script
        self._revisions = revisions
        self._answer = answer
        self.is_done = False

    def attach(self, environment: EnvironmentContext) -> None:
        """Let `env.py` configure what it likes, but offline and for PostgreSQL."""
        configure = environment.configure

        def offline_configure(_connection: Any = None, url: Any = None, **options: Any) -> None:
            del url
            ours: dict[str, Any] = {
                "dialect_name": "postgresql",
                "dialect_opts": {"paramstyle": "named"},
                "literal_binds": True,
            }
            dropped = {"connection", "dialect_name", "dialect_opts", "literal_binds", "output_buffer", "as_sql"}
            kept = {name: value for name, value in options.items() if name not in dropped}
            self._answer(
                version_table=options.get("version_table"), version_table_schema=options.get("version_table_schema")
            )
            configure(**ours, **kept)

        vars(environment)["configure"] = offline_configure  # on this one object, not on Alembic's class

    def __call__(self, _heads: Any, context: MigrationContext) -> Iterator[Any]:
        """What Alembic takes for the list of its steps; there are none left when this is through."""
        if not self.is_done:
            self.is_done = True
            try:
                for id_ in self._revisions:
                    self._answer(**_rendered(self._script, id_, context))
            except Exception as exc:  # noqa: BLE001 - a file that cannot be loaded; Alembic loads all or none
                self._answer(failed=_named(exc))
        return iter(())


def _rendered(script: ScriptDirectory, id_: str, context: MigrationContext) -> dict[str, Any]:
    from sqlalchemy.exc import NoInspectionAvailable

    statements: list[str] = []
    vars(context.impl)["static_output"] = statements.append  # where every statement goes in offline mode
    revision = script.get_revision(id_)
    facts: dict[str, Any] = {"id": id_, "title": (revision.doc or "").strip()}
    try:
        with _limited(ONE_WITHIN_S):
            revision.module.upgrade()
    except BaseException as exc:  # noqa: BLE001 - whatever a revision raises, the others are rendered
        reads = isinstance(exc, NoInspectionAvailable) or "NoneType" in str(exc)  # nobody answers offline
        facts["problem"] = f"it reads from the database ({_named(exc)})" if reads else _named(exc)
        facts["line"] = _line_in(revision.path, exc)
        statements = list(dict.fromkeys(statements))[:MOST_STATEMENTS]
    return facts | {"statements": statements}


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Stop the block with `TookTooLong`, in whatever thread it runs: `env.py` may have asked for one of its own."""
    thread = ctypes.c_ulong(threading.get_ident())
    timer = threading.Timer(
        seconds, ctypes.pythonapi.PyThreadState_SetAsyncExc, (thread, ctypes.py_object(TookTooLong))
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _named(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    if isinstance(exc, TookTooLong):
        return f"it was stopped after {ONE_WITHIN_S:.0f} s; perhaps it waits for what the database says"
    if isinstance(exc, DatabaseForbidden):
        return text
    return f"{type(exc).__name__}: {text[:300]}" if text else type(exc).__name__


def _line_in(path: str, exc: BaseException) -> int | None:
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None


if __name__ == "__main__":
    main()
