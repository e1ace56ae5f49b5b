"""Revisions that a test adds to a copy of the tree: one that works and one that fails until it is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stack.compose import Stack

_TEXT = '''"""Make a table, for a test. Deploy step: before the code; locks only what it makes."""

from alembic import op

revision = "{revision}"
down_revision = "{parent}"
phase = "expand"


def upgrade() -> None:
    op.execute("CREATE TABLE made_by_{revision} (id int)")
    op.execute("ALTER TABLE {altered} ADD COLUMN x int")


def downgrade() -> None:
    op.execute("DROP TABLE made_by_{revision}")
'''


def write_revision(stack: Stack, *, revision: str, broken: bool) -> Path:
    """Add a revision behind the newest one. A broken one fails at its second statement, on `no_such_table`."""
    versions = stack.folder / "migrations" / "versions"
    newest = max(path.name for path in versions.glob("*.py"))
    path = versions / f"{revision}_expand_test.py"
    altered = "no_such_table" if broken else f"made_by_{revision}"
    path.write_text(_TEXT.format(revision=revision, parent="_".join(newest.split("_")[:2]), altered=altered))
    return path


def mend(path: Path) -> None:
    """Make the broken revision work."""
    revision = "_".join(path.name.split("_")[:2])
    path.write_text(path.read_text().replace("no_such_table", f"made_by_{revision}"))
