"""Claim: a start with nothing to migrate costs at most 0.15 of plain Alembic's time and 0.7 of its memory.

Ours: `tidegate run -- true` with `RUN_MIGRATIONS=true`. Rival: `alembic upgrade head` on the same database,
with the `env.py` that Alembic's template makes. Alternating, the median of 15.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from harness import BIN, measure, median, report
from projects import environment, write_project
from tools.postgres import temporary_cluster

ROUNDS = 15
REVISIONS = 30


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name, temporary_cluster() as cluster:
        statements = [f"CREATE TABLE t{number} (id int)" for number in range(REVISIONS)]
        ours = write_project(Path(name) / "ours", statements, guarded=True)
        plain = write_project(Path(name) / "plain", statements, guarded=False)
        env = environment(cluster.url)
        tidegate = [str(BIN / "tidegate"), "run", "--", "true"]
        alembic = [str(BIN / "alembic"), "upgrade", "head"]
        measure(tidegate, cwd=ours, env=env)
        measure(alembic, cwd=plain, env=env)
        samples = [(measure(tidegate, cwd=ours, env=env), measure(alembic, cwd=plain, env=env)) for _ in range(ROUNDS)]
    shutil.rmtree(cluster.folder, ignore_errors=True)
    assert all(sample.code == 0 for pair in samples for sample in pair)
    ours_s, rival_s = (median([pair[n].seconds for pair in samples]) for n in (0, 1))
    ours_mb, rival_mb = (median([pair[n].peak_mb for pair in samples]) for n in (0, 1))
    report(
        "nothing_to_do",
        {
            "tidegate run -- true (s)": ours_s,
            "alembic upgrade head (s)": rival_s,
            "time, ratio": ours_s / rival_s,
            "tidegate run -- true (MB)": ours_mb,
            "alembic upgrade head (MB)": rival_mb,
            "memory, ratio": ours_mb / rival_mb,
        },
        {"time, ratio": 0.15, "memory, ratio": 0.7},
    )


if __name__ == "__main__":
    main()
