"""What is in the image, how large it is, and as whom it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

BUDGET_MB = 120
"""What the Dockerfile may add to its base image (DESIGN, section 6)."""


def test_the_dockerfile_adds_at_most_120_mb_to_its_base(development: Stack) -> None:
    def size(image: str) -> int:
        return int(development.sh(f"docker image inspect -f '{{{{.Size}}}}' {image}").stdout)

    added = (size("expenses-api") - size("python:3.14-slim")) / 1e6
    print(f"the Dockerfile adds {added:.0f} MB")  # noqa: T201 - the figure is worth seeing with `-s`
    assert added <= BUDGET_MB


def test_the_image_holds_no_tool_secret_or_test_of_ours(development: Stack) -> None:
    (development.folder / ".env.prod").write_text("POSTGRES_PASSWORD=must-not-get-in\n")
    development.sh("docker build -q -t expenses-api-probe .")
    look = "command -v uv; find / -xdev ( -name .env* -o -name .git -o -name test_production.py ) 2>/dev/null"
    try:
        quoted = look.replace("(", "\\(").replace(")", "\\)")
        found = development.sh(f'docker run --rm expenses-api-probe sh -c "{quoted}"', code=None)
        assert found.stdout == ""
    finally:
        development.sh("docker image rm expenses-api-probe")


def test_the_image_runs_as_a_user_without_rights_to_its_own_code(development: Stack) -> None:
    done = development.sh("docker run --rm expenses-api sh -c 'id -u; touch /app/x /app/.venv/x'", code=1)
    assert done.stdout == "10001\n"
    assert done.stderr.count("Permission denied") == 2


LOADED = (
    "main, expenses.cli, prometheus_client.core, segno, tidegate.cli, tidegate.commands, tidegate.run.guarded, "
    "tidegate.worker.__main__, tidegate.worker.statements"
)
"""What a server, a migration and an operator's command load."""

UNCOMPILED = f"""
import sys, os, {LOADED}
from tidegate.sql.effects import read_statements
import sqlalchemy
read_statements("SELECT 1")
for url in ("postgresql+asyncpg://x", "postgresql+psycopg2://x"):
    sqlalchemy.make_url(url).get_dialect().import_dbapi()
print([name for name, module in sys.modules.items()
       if getattr(module, "__cached__", None) and not os.path.exists(module.__cached__)])
"""


def test_nothing_that_a_start_loads_is_compiled_anew_each_time(development: Stack) -> None:
    done = development.sh(
        f"docker run --rm -i --env POSTGRES_PASSWORD=unused --entrypoint python expenses-api - <<'E'\n{UNCOMPILED}\nE"
    )
    assert done.stdout == "[]\n"
