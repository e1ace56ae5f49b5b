"""The JSON that each verb prints, as a shape: real output of real runs, with types in the place of values.

A project of its own is led through an upgrade with a backup, a revision that fails, and damage, so that as
little as possible is empty in the output. What differs between two outputs is shown with both types.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2

TIDEGATE = Path(sys.executable).parent / "tidegate"

ENV_PY = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''"""Revision {id}."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, phase = "{id}", {down!r}, {phase!r}


def upgrade():
    {upgrade}
'''

WHILE_IT_RUNS = f"{TIDEGATE} status --format json > held.json; {TIDEGATE} history --format json > running.json"
"""Looks from the command before the first statement, when the lock is held and the run has no end yet."""

DAMAGE = (
    "INSERT INTO t VALUES (1), (1)",
    "ANALYZE t",
    "ALTER TABLE t ADD CONSTRAINT few CHECK (id > 1) NOT VALID",
    "CREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id)",
)
"""The constraint can never be validated, and the index build fails."""


def json_shapes(folder: Path, url: str) -> dict[str, Any]:
    """The shape of each verb's JSON.

    Args:
        folder: Empty; the project is written there.
        url: An empty database.
    """
    _write_project(folder)
    seen: dict[str, Any] = {}

    def see(verb: str, *options: str) -> None:
        output = _tidegate(folder, url, verb, "--format", "json", *options)
        seen[verb] = merge(seen.get(verb), shape(json.loads(output)))

    _tidegate(folder, url, "upgrade", "a", "--before", WHILE_IT_RUNS)
    seen["status"] = shape(json.loads((folder / "held.json").read_text()))
    _execute(url, *DAMAGE)
    see("check")
    see("plan")
    see("status")
    see("doctor")
    see("doctor", "--fix")
    _tidegate(folder, url, "upgrade")
    see("history")
    seen["history"] = merge(shape(json.loads((folder / "running.json").read_text())), seen["history"])
    return seen


def shape(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A value of JSON with the names of types in place of what it holds; a list is as its elements together are."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        elements: Any = None
        for one in value:
            elements = merge(elements, shape(one))
        return [] if elements is None else [elements]
    names = {bool: "boolean", int: "number", float: "number", str: "string"}
    return "null" if value is None else names[type(value)]


def merge(left: Any, right: Any) -> Any:  # noqa: ANN401 - shapes
    """What both shapes have."""
    if left is None or left == right:
        return right
    if isinstance(left, dict) and isinstance(right, dict):
        return {key: merge(left.get(key), right.get(key, left.get(key))) for key in {**left, **right}}
    if isinstance(left, list) and isinstance(right, list):
        return [merge(left[0], right[0])] if left and right else left or right
    if not isinstance(left, str) or not isinstance(right, str):
        return right if left == "null" else left  # one or the other may be null besides
    names = {*left.split(" or "), *right.split(" or ")}
    return " or ".join(sorted(names, key=lambda name: (name == "null", name)))


def _write_project(folder: Path) -> None:
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    (folder / "migrations" / "env.py").write_text(ENV_PY)
    bodies = {
        "a": 'op.create_table("t", sa.Column("id", sa.Integer))',
        "b": 'op.drop_column("t", "id"); op.drop_table("other", schema="public", if_exists=True)',
        "c": 'op.get_bind().execute(sa.text("SELECT 1")).one(); op.add_column("t", sa.Column("x", sa.Integer))',
        "d": 'op.execute("SELECT 1 / 0"); op.execute("this is no SQL")',
    }
    down = None
    for id_, upgrade in bodies.items():
        text = REVISION.format(id=id_, down=down, phase="contract" if id_ == "b" else None, upgrade=upgrade)
        (folder / "migrations" / "versions" / f"{id_}.py").write_text(text)
        down = id_


def _tidegate(folder: Path, url: str, *arguments: str) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "DATABASE_URL": url, "TIDEGATE_APP_VERSION": "1.0"}
    command = [str(TIDEGATE), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def _execute(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        for statement in statements:
            try:
                connection.cursor().execute(statement)
            except psycopg2.errors.UniqueViolation:
                continue
    finally:
        connection.close()
