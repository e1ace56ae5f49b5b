"""Alembic projects to measure with: one as Alembic's own template makes it, one with the guard in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ENV_PY = """
import os
{guard}
from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def write_project(folder: Path, statements: list[str], *, guarded: bool) -> Path:
    """A project with one revision for each statement."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    guard = "import tidegate; tidegate.guard()" if guarded else ""
    (folder / "migrations" / "env.py").write_text(_ENV_PY.format(guard=guard))
    for number, statement in enumerate(statements):
        down = f'"r{number - 1:03}"' if number else "None"
        (versions / f"r{number:03}.py").write_text(
            f'from alembic import op\nrevision = "r{number:03}"\ndown_revision = {down}\n\n\n'
            f"def upgrade():\n    op.execute({statement!r})\n\n\ndef downgrade():\n    pass\n"
        )
    return folder


def environment(url: str) -> dict[str, str]:
    """What the measured processes see."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "DATABASE_URL": url,
        "RUN_MIGRATIONS": "true",
    }
