"""The Dockerfile of tidegate's examples: it builds, and its command is started as process 1 with no rights."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest
from tests.stack.compose import ROOT
from tools.wheel import build

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.stack

EXAMPLE = ROOT / "packages" / "tidegate" / "examples" / "app"


def sh(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_image_of_the_example_builds_and_becomes_its_command(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "app")
    wheel = build(tmp_path)
    shutil.copy(wheel, tmp_path / "app")
    for name, ours, theirs in (
        ("requirements.txt", "\ntidegate\n", f"\n./{wheel.name}\n"),  # this tree's, in place of the published one
        ("Dockerfile", "COPY requirements.txt .", "COPY requirements.txt *.whl ./"),
    ):
        text = (tmp_path / "app" / name).read_text()
        assert ours in text
        (tmp_path / "app" / name).write_text(text.replace(ours, theirs))
    image = f"tidegate-example:{uuid.uuid4().hex[:8]}"
    try:
        built = sh("docker", "build", "--quiet", "--tag", image, str(tmp_path / "app"))
        assert built.returncode == 0, built.stderr
        done = sh("docker", "run", "--rm", image, "sh", "-c", "echo $$ $(id -u)")
        assert (done.stdout, done.stderr) == ("1 10001\n", "tidegate: Skipping migrations (RUN_MIGRATIONS=false)\n")
        served = sh("docker", "run", "--rm", image)
        assert "no database URL in any of the three places" in served.stderr, "uvicorn was started, and the gate asked"
    finally:
        sh("docker", "image", "rm", "--force", image)
