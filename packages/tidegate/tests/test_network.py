"""The network is cut in the middle of a revision, with a real cable: packets vanish and nobody says so."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from conftest import MAJORS, execute
from network import Cable, cable, can_make_cables
from projects import DOORS, Project, finish, until
from tools.postgres import debian_bin_dir, temporary_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.deep

RUN_ENDS_WITHIN_S = 30.0
"""8 s until TCP gives up on the ping, which comes every second; then 10 s, in which a restarted server would be back,
and the attempt that is under way: 20 s when the machine has nothing else to do."""

SERVER_NOTICES_WITHIN_S = 16.0
"""Keepalives: the first after 5 s, then three more, 3 s apart; the check interval on top."""


class Far(NamedTuple):
    """A project here, whose database `tidegate` reaches through a cable."""

    project: Project
    cable: Cable
    url: str


@pytest.fixture(params=MAJORS)
def far(request: pytest.FixtureRequest, project: Project) -> Iterator[Far]:
    if not can_make_cables():
        pytest.skip("this machine does not allow network namespaces")
    cluster = temporary_cluster(debian_bin_dir() if request.param == "debian" else None, listen_addresses="*").start()
    hba = cluster.folder / "pg_hba.conf"
    hba.write_text(hba.read_text() + "host all all 10.231.0.0/16 trust\n")
    execute(cluster.url, "SELECT pg_reload_conf()")
    try:
        with cable() as made:
            url = f"postgresql://postgres@{made.here}:{cluster.port}/postgres"
            yield Far(Project(project.folder, cluster.url), made, url)
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


def locks(project: Project) -> int:
    return int(project.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0])


def test_when_packets_vanish_the_run_ends_the_server_frees_the_lock_and_the_next_run_finishes(far: Far) -> None:
    far.project.query("CREATE TABLE pace (seconds float)")
    far.project.query("INSERT INTO pace VALUES (60)")
    far.project.add("a", 'op.execute("SELECT pg_sleep(seconds) FROM pace"); op.execute("CREATE TABLE t_a (id int)")')
    run = far.project.start([*far.cable.inside, *DOORS["tidegate upgrade"]], DATABASE_URL=far.url)
    until(far.project.sleepers, what="the run is at work")
    far.cable.pull()
    pulled = time.monotonic()
    until(lambda: not locks(far.project), timeout=SERVER_NOTICES_WITHIN_S, what="the server frees mutex and fence")
    assert far.project.sleepers() == []
    result = finish(run, timeout=RUN_ENDS_WITHIN_S - (time.monotonic() - pulled))
    assert result.code == 10, result.err
    assert "the connection that held the migration lock was lost" in result.err
    assert "where the database is now could not be seen" in result.err
    assert "run `tidegate upgrade` again" in result.err
    far.cable.plug()
    far.project.query("UPDATE pace SET seconds = 0")
    result = finish(far.project.start([*far.cable.inside, *DOORS["tidegate upgrade"]], DATABASE_URL=far.url))
    assert result.code == 0, result.err
    assert far.project.at() == ["a"]
    assert far.project.outcomes() == ["killed", "succeeded"]
