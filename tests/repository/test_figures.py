"""The figures in tidegate's README and in the list of claims are those that were measured."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLAIMS = (ROOT / "benchmarks" / "README.md").read_text()
README = (ROOT / "packages" / "tidegate" / "README.md").read_text()


def figures(claim: str) -> dict[str, float]:
    return dict(json.loads((ROOT / "benchmarks" / "results" / f"{claim}.json").read_text())["figures"])


def test_the_longest_queries_are_those_of_the_benchmark() -> None:
    measured = figures("blocking")
    plain, fixed = measured["plain Alembic: longest query (s)"], measured["lock timeout of 5 s: longest query (s)"]
    assert f"{fixed:.1f} s behind one long reader ({plain:.1f} s without the line)" in README
    assert f"The longest query behind the same reader: {measured['ours: longest query (s)']:.2f} s" in README
    assert measured["lock timeout of 5 s: failed migrations"] > 0 == measured["ours: failed migrations"]


def test_the_failed_replicas_are_those_of_the_benchmark() -> None:
    measured = figures("replicas")
    started, failed = measured["processes started each"], measured["plain Alembic: processes that failed"]
    assert f"of {started} processes that started 8 at a time, {failed} failed" in README
    assert f"Of the {started} processes none fails" in " ".join(README.split())
    assert measured["ours: processes that failed"] == 0


def test_the_cost_of_nothing_to_do_is_that_of_the_benchmark() -> None:
    measured = figures("nothing_to_do")
    ours, theirs = measured["tidegate run -- true (s)"], measured["alembic upgrade head (s)"]
    assert f"it costs {ours:.2f} s, `alembic upgrade head` {theirs:.2f} s" in README


def test_what_a_million_expenses_cost_is_that_of_the_benchmark() -> None:
    measured = figures("million")
    ratios = {name: measured[f"{name}: 1,000,000 / 1,000"] for name in ("dense: month report", "dense: month page")}
    assert "report {:.2f}, page {:.2f}]".format(*ratios.values()) in CLAIMS


def test_what_memory_the_idle_service_needs_is_that_of_the_benchmark() -> None:
    measured = figures("memory")
    alike = measured["RSS after 200 requests: ours / template"]
    deployed = measured.get("RSS after 200 requests: ours / template as its Dockerfile starts it")
    if deployed is None:  # measured without a fetched copy
        assert f"[missed: {alike:.2f}](results/memory.json)" in CLAIMS
    else:
        said = f"as its Dockerfile starts it {deployed:.2f}, started as ours is {alike:.2f}"
        assert f"[{said}](results/memory.json)" in CLAIMS
        assert deployed < alike <= 0.9


def test_how_fast_the_api_is_is_that_of_the_benchmark() -> None:
    measured = figures("api")
    times = {route: measured[f"{route}: ours / template"] for route in ("list", "one", "create")}
    limit = [measured[f"{route}: ours / bare"] for route in ("list", "one", "create")]
    met, missed = (
        ", ".join(f"{route} {times[route]:.1f}" for route in times if (times[route] >= 5) is is_met)
        for is_met in (True, False)
    )
    said = f"{met}; missed: {missed}" if missed else met
    assert f"[{said}; of our own limit {', '.join(f'{each:.2f}' for each in limit)}](results/api.json)" in CLAIMS
