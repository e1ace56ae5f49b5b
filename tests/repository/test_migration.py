"""`make migration` proposes a file that stands in the right place and carries its phase."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.repository.tree import copy_files
from tools import migration

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_migration_follows_the_last_one_and_carries_its_phase(tmp_path: Path) -> None:
    project = copy_files(tmp_path / "expenses")
    before = {path.name for path in (project / "migrations" / "versions").glob("*.py")}
    command = [sys.executable, "-m", "tools.migration", "contract drop the old column"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = [path for path in (project / "migrations" / "versions").glob("*.py") if path.name not in before]
    assert path.name.endswith("_contract_drop_the_old_column.py")
    text = path.read_text()
    assert 'phase = "contract"' in text
    assert f'down_revision = "{max(before)[:13]}"' in text
    assert f'revision = "{path.name[:13]}"' in text


@pytest.mark.parametrize("name", ["", "receipts", "add receipts", "expand", "expand ../x"])
def test_a_migration_without_a_phase_and_a_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert migration.main([name]) == 64
    assert "hint: `make migration NAME='expand add receipts'`" in capsys.readouterr().err
