"""The import contracts refuse what the design forbids: each is broken on purpose in a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).parent / "lint-imports"

BREACHES = [
    ("src/expenses/accounts/service.py", "import expenses.ledger.model", "built in layers"),
    ("src/expenses/receipts.py", "", "built in layers"),
    ("src/expenses/ledger/model.py", "import expenses.ledger.service", "rooms of a noun"),
    ("src/expenses/ledger/helpers.py", "", "rooms of a noun"),
    ("src/expenses/ledger/service.py", "import sqlalchemy", "SQL stands in queries"),
    ("src/expenses/accounts/pages.py", "import asyncpg", "SQL stands in queries"),
    ("src/expenses/accounts/model.py", "import time", "Models are pure"),
    ("src/expenses/db.py", "import tidegate", "know tidegate"),
    ("packages/tidegate/src/tidegate/report/state.py", "import starlette", "serves any Alembic project"),
]


@pytest.mark.parametrize(("path", "line", "contract"), BREACHES, ids=[f"{path}-{line}" for path, line, _ in BREACHES])
def test_a_breach_of_the_layers_is_found(tmp_path: Path, path: str, line: str, contract: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    shutil.copytree(ROOT / "packages" / "tidegate" / "src", tmp_path / "packages/tidegate/src", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / path).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    search = os.pathsep.join([str(tmp_path / "src"), str(tmp_path / "packages/tidegate/src")])
    environment = os.environ | {"PYTHONPATH": search, "COLUMNS": "200"}
    done = subprocess.run(
        [str(LINTER), "--no-cache"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    broken = [text for text in done.stdout.splitlines() if " BROKEN" in text]
    assert any(contract in text for text in broken), done.stdout
