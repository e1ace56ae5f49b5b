"""What the pending revisions will execute and lock, found out without the database: nothing is carried out.

Alembic's offline mode says it, in a child process (`offline`). A revision that asks the database something cannot be
rendered so; then its file is read instead, for the operations that it names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from tidegate.database.look import DEFAULT_VERSION_TABLE, look
from tidegate.sql.effects import read_statements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case

    from tidegate.project.graph import Graph, Revision
    from tidegate.report.state import Judgement
    from tidegate.report.target import Target
    from tidegate.sql.effects import Statement

RENDER_WITHIN_S = 300.0
"""For all revisions together; a revision that computes for longer is not rendered."""

NOWHERE = "nobody:nothing@127.0.0.1:1"
"""Credentials and address of every URL that the child sees: a port on which no server listens."""

_URL_VARIABLES = ("TIDEGATE_DATABASE_URL", "DATABASE_URL")
_ADDRESS_VARIABLES = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}
_LIBPQ_VARIABLES = {"PGHOST": "127.0.0.1", "PGHOSTADDR": "127.0.0.1", "PGPORT": "1"}

_BOOKKEEPING = {"BEGIN", "COMMIT"}
"""What Alembic itself puts around an autocommit block."""


class Foreseen(NamedTuple):
    """One pending revision."""

    revision: Revision
    title: str
    statements: tuple[Statement, ...]
    unreadable: tuple[str, ...]
    """Texts that are no SQL to the parser."""
    problem: str | None = None
    """Why it cannot be rendered, or only up to a point; then `operations` is what its file names."""
    operations: tuple[str, ...] = ()
    stand_ins: tuple[Statement, ...] = ()
    """Statements that lock what these operations lock; their effects are not all known."""
    is_told_apart: bool = False
    """Its file asks whether it runs offline: it may do something else when it runs."""

    @property
    def foreseen(self) -> tuple[Statement, ...]:
        """All statements that are known, rendered or stood in for."""
        return self.statements + self.stand_ins


class Forecast(NamedTuple):
    """The pending revisions in order."""

    revisions: tuple[Foreseen, ...]
    without_env_py: str | None = None
    """Why they were rendered without `env.py`; nothing if they were not."""
    failed: str | None = None
    """Why none could be rendered."""
    version_table: str | None = None
    """Where `env.py` says the database keeps its revision, if it says so."""


def foresee(target: Target, pending: Iterable[Revision], x_arguments: tuple[str, ...] = ()) -> Forecast:
    """What these revisions will do, as far as it can be told without the database."""
    from tidegate.project.source import read_source

    todo = list(pending)
    if not todo:
        return Forecast(())
    answers, failed = _ask(target, [revision.id for revision in todo], x_arguments)
    by_id = {answer["id"]: answer for answer in answers if "id" in answer}
    created: list[tuple[str | None, str]] = []
    found = []
    for revision in todo:
        answer = by_id.get(revision.id, {"statements": [], "problem": failed or "Alembic did not come to it"})
        source = read_source(revision.path)
        one = _foreseen(target, revision, answer, created)
        if one.problem is not None:
            rendered = {_on_one_line(statement.sql) for statement in one.statements}
            stand_ins = [stand_in for stand_in in source.statements(created) if stand_in.sql not in rendered]
            one = one._replace(operations=source.operations, stand_ins=tuple(stand_ins))
        created += [name for statement in one.foreseen for name in statement.creates]
        found.append(one._replace(title=one.title or source.title, is_told_apart=source.asks_for_offline_mode))
    whole = {name: value for answer in answers if "id" not in answer for name, value in answer.items()}
    table = ".".join(part for part in (whole.get("version_table_schema"), whole.get("version_table")) if part)
    without = whole.get("without_env_py")
    redact = target.database.redact
    return Forecast(
        tuple(found),
        without_env_py=redact(without) if without else None,
        failed=redact(failed) if failed else None,
        version_table=table or None,
    )


def look_ahead(
    connection: Connection,
    target: Target,
    graph: Graph,
    *,
    choose: Callable[[tuple[Revision, ...]], Iterable[Revision]] = tuple,
    x_arguments: tuple[str, ...] = (),
) -> tuple[Judgement, Forecast]:
    """Where the database is, and what the chosen ones of its pending revisions will do.

    Where no table that we know of says so, `env.py` may keep it in another, which is known once it has run.
    """
    table = target.project.version_table
    while True:
        now = look(connection, graph, table)
        is_lost = now.state in {"unknown", "incompatible"}
        forecast = foresee(target, () if is_lost else choose(now.pending), x_arguments)
        is_elsewhere = now.state == "empty" and forecast.version_table not in {None, DEFAULT_VERSION_TABLE}
        if table is not None or not is_elsewhere:
            return now, forecast
        table = forecast.version_table


def _foreseen(
    target: Target, revision: Revision, answer: Mapping[str, Any], created: list[tuple[str | None, str]]
) -> Foreseen:
    redact = target.database.redact
    statements: list[Statement] = []
    unreadable = []
    for text in answer["statements"]:
        known = [*created, *(name for statement in statements for name in statement.creates)]
        read = read_statements(text, known)
        if read is None:
            unreadable.append(redact(text))
        else:
            found = (statement._replace(sql=redact(statement.sql)) for statement in read)
            statements += [statement for statement in found if statement.kind not in _BOOKKEEPING]
    problem = answer.get("problem")
    where = f"line {answer['line']}: " if answer.get("line") else ""
    return Foreseen(
        revision=revision,
        title=(answer.get("title") or "").split("\n")[0].rstrip("."),
        statements=tuple(statements),
        unreadable=tuple(unreadable),
        problem=redact(where + problem) if problem else None,
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _ask(target: Target, revisions: list[str], x_arguments: tuple[str, ...]) -> tuple[list[dict[str, Any]], str | None]:
    """The child's answers, and why it failed, if it did."""
    project = target.project
    reading, writing = os.pipe()
    order = {
        "config_file": project.config_file,
        "toml_file": project.toml_file,
        "section": project.section,
        "options": dict(project.options),
        "sqlalchemy_url": _nowhere(project.sqlalchemy_url or target.database.url),
        "revisions": revisions,
        "x_arguments": list(x_arguments),
        "sys_path": [os.path.abspath(folder) for folder in sys.path if folder],
        "answer_fd": writing,
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tidegate.worker.offline"],
        env=_environ(os.environ),
        pass_fds=(writing,),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # env.py's logging; what went wrong is in the answers
        start_new_session=True,
    )
    os.close(writing)
    return _answers(process, reading, json.dumps(order))


def _answers(process: subprocess.Popen[bytes], reading: int, order: str) -> tuple[list[dict[str, Any]], str | None]:
    import threading

    late = threading.Timer(RENDER_WITHIN_S, process.kill)
    late.start()
    try:
        with os.fdopen(reading, encoding="utf-8") as stream:
            assert process.stdin is not None  # noqa: S101 - a pipe was asked for
            with suppress(BrokenPipeError), process.stdin as question:  # it may have ended before it was asked
                question.write(order.encode())
            lines = [json.loads(line) for line in stream]
        process.wait()
    finally:
        was_late = not late.is_alive()
        late.cancel()
    failed = next((line["failed"] for line in lines if "failed" in line), None)
    if failed is None and process.returncode != 0:
        failed = f"it did not end within {RENDER_WITHIN_S:.0f} s" if was_late else "the process that renders was ended"
    return lines, failed


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with every address of a database replaced by one that leads nowhere."""
    found = {name: value for name, value in environ.items() if name not in {f"{url}_FILE" for url in _URL_VARIABLES}}
    for name in _URL_VARIABLES:
        if name in environ or f"{name}_FILE" in environ:
            found[name] = _nowhere(environ.get(name) or "postgresql://db/db")
    found |= {name: value for name, value in _ADDRESS_VARIABLES.items() if name in environ}
    return found | _LIBPQ_VARIABLES


def _nowhere(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme or "postgresql", NOWHERE, parts.path or "/nowhere", "", ""))
