"""What the process that serves loads: nothing that only commands, migrations or a setting of the operator need."""

from __future__ import annotations

import subprocess
import sys

UNUSED = (
    "alembic",
    "expenses.cli",
    "mako",
    "postgast",
    "prometheus_client",
    "psycopg2",  # the gate looks over asyncpg
    "segno",
    "sqlalchemy.orm",  # `expenses.engine` is instead of what imports it
    "tidegate.commands",
    "tidegate.run",
    "tidegate.sql",
    "tidegate.worker",
)
"""Megabytes of every server, and most of a second of its start, when an import at the top of a file brings them in."""


def test_a_server_loads_nothing_that_only_others_need() -> None:
    code = (
        "import sys; from expenses.app import create_app; from expenses.config import Settings;"
        "create_app(Settings(database_url='postgresql://127.0.0.1/none'));"
        f"print(sorted(set({UNUSED}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "[]\n"
