"""What the measurements share: timing processes, saying what machine it was, writing results down.

Every file beside this one measures one claim, with the rival in the same run, and prints the ratio. A ratio
is what counts; milliseconds differ from machine to machine. Nothing here is a test and nothing fails.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
BIN = Path(sys.executable).parent

sys.path.insert(0, str(ROOT))  # for `tools.postgres`


@dataclass(frozen=True)
class Sample:
    """One process: how long it took and how much memory it needed at most."""

    seconds: float
    peak_mb: float
    code: int


def measure(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Sample:
    """Run a command to its end. The memory is the process's own, without its children's."""
    began = time.perf_counter()
    process = subprocess.Popen(
        list(command), cwd=cwd, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Sample(time.perf_counter() - began, usage.ru_maxrss / 1024, process.returncode)


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "alembic": version("alembic"),
        "sqlalchemy": version("sqlalchemy"),
    }


def report(claim: str, figures: dict[str, Any], budgets: dict[str, float], *, at_least: bool = False) -> None:
    """Print the figures beside their budgets and write them to `results/CLAIM.json`.

    A budget is the most that a figure may be; `at_least`: the least.
    """
    sign = "≥" if at_least else "≤"
    for name, value in figures.items():
        budget = budgets.get(name)
        verdict = ""
        if budget is not None:
            is_met = value >= budget if at_least else value <= budget
            verdict = f"   budget {sign} {budget}: {'met' if is_met else 'MISSED'}"
        print(f"{name:44} {value:10.3f}{verdict}" if isinstance(value, float) else f"{name:44} {value!s:>10}{verdict}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{claim}.json").write_text(
        json.dumps({"claim": claim, "machine": machine(), "figures": figures, "budgets": budgets}, indent=2) + "\n"
    )
