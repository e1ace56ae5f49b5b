"""Histories that nobody here wrote, from nothing to head: raced, killed, and always at the same schema in the end.

A sample runs in CI (`make test-histories-sample`), all of it under `make test-histories`: both majors, 25 kills each.
`TIDEGATE_SEED` repeats the moments of a run.
"""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

import pytest
from conftest import MAJORS
from histories.catalogue import HISTORIES
from histories.database import Ground, execute
from histories.installed import install
from histories.killing import Attempts, Watch, moments
from projects import finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.postgres import Cluster

IS_FULL = os.environ.get("TIDEGATE_HISTORIES") == "full"

KILLS = int(os.environ.get("TIDEGATE_KILLS", "25" if IS_FULL else "4"))
"""How often each history is killed on each major."""

RACERS = 4

pytestmark = [
    pytest.mark.histories,
    pytest.mark.parametrize(
        "ground",
        [
            pytest.param(
                (history, major),
                id=f"{history.name}-{major}",
                marks=pytest.mark.xdist_group(f"{history.name}-{major}"),  # one server, one schema to compare with
            )
            for major in (MAJORS if IS_FULL else MAJORS[:1])
            for history in HISTORIES
        ],
        indirect=True,
    ),
]


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, servers: Callable[[str], Cluster]) -> Ground:
    history, major = request.param
    return Ground(install(history), servers(major))


def test_of_four_processes_at_once_one_migrates_and_all_succeed(ground: Ground) -> None:
    url = ground.new_database()
    racers = [ground.installed.tidegate("upgrade", url=url) for _ in range(RACERS)]
    results = [finish(racer, timeout=300) for racer in racers]
    assert [result.code for result in results] == [0] * RACERS, "\n".join(result.err[-3000:] for result in results)
    assert outcomes(ground, url) == ["succeeded"]
    is_at_head_as_its_own_command_makes_it(ground, url)


def test_killed_at_random_moments_it_ends_at_the_same_schema(ground: Ground) -> None:
    seed = int(os.environ.get("TIDEGATE_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"{ground.installed.history.name}: TIDEGATE_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    rng = random.Random(seed)  # noqa: S311 - moments that can be repeated, not secrets
    moment = moments(rng, revisions=len(ground.revisions()), kills=KILLS)
    killed = 0
    while killed < KILLS:  # a database that was finished before its kill came is judged, and a new one takes the rest
        attempts = Attempts(ground, ground.new_database())
        with Watch(attempts) as watch:
            while attempts.attempt(next(moment) if killed + attempts.killed < KILLS else None) != 0:
                assert attempts.code == -signal.SIGKILL, attempts.said[-3000:]
        killed += attempts.killed
        assert watch.overlaps == []
        assert set(outcomes(ground, attempts.url)) <= {"killed", "succeeded"}
        is_at_head_as_its_own_command_makes_it(ground, attempts.url)


def is_at_head_as_its_own_command_makes_it(ground: Ground, url: str) -> None:
    status = finish(ground.installed.tidegate("status", "--format", "json", url=url))
    assert (status.code, status.json()["state"], status.json()["damage"]) == (0, "current", [])
    applied = execute(url, "SELECT id FROM tidegate.revision ORDER BY seq")
    assert sorted(id_ for (id_,) in applied) == sorted(ground.revisions()), "each revision is recorded, and once"
    assert ground.schema(url).splitlines() == ground.reference().splitlines()


def outcomes(ground: Ground, url: str) -> list[str]:
    """How the runs ended that `tidegate history` shows."""
    history = finish(ground.installed.tidegate("history", "--format", "json", "--limit", "1000", url=url))
    return [run["outcome"] for run in history.json()["runs"]]
