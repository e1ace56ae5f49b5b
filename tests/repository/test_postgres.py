"""The databases of tests: in memory where there is room, and gone when the test run is, however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools import postgres
from tools.processes import command_of, is_running

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal
from tools.postgres import temporary_cluster
cluster = temporary_cluster().start()
print(cluster.folder, cluster.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_in_memory_is_ended_and_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True, check=False)
    folder, pid = done.stdout.split()
    assert Path(folder).exists(), done.stderr
    assert "postgres" in " ".join(command_of(int(pid)))
    postgres.remove_left_behind(Path(folder).parent, postgres.embedded_bin_dir())
    assert not Path(folder).exists()
    assert not is_running(int(pid))
    monkeypatch.setattr(postgres, "IN_MEMORY", tmp_path / "none")
    cluster = postgres.temporary_cluster()
    assert not cluster.folder.is_relative_to("/dev/shm")  # noqa: S108 - that is what is tested
    cluster.folder.rmdir()
