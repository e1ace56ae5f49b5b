"""`tidegate metrics`, read by the parser of Prometheus' own client."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml
from projects import DOORS, Project, until
from prometheus_client.parser import text_string_to_metric_families
from tools.postgres import free_port

from tidegate.report.metrics import Metric, Scrape, scrape
from tidegate.report.target import find_target

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.deep


def samples(text: str) -> dict[tuple[str, str], float]:
    """Value by name and the label that is not the database."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            rest = {name: value for name, value in sample.labels.items() if name not in {"database", "direction"}}
            found[sample.name, "".join(rest.values())] = sample.value
    return found


def scraped(project: Project, url: str = "") -> Mapping[tuple[str, str], float]:
    target = find_target(str(project.folder / "alembic.ini"), database_url=url or project.url)
    found = scrape(target, print)
    assert found.error is None
    return samples(found.as_text("x"))


def test_metrics_follow_a_database_from_empty_through_a_failure_to_current(project: Project) -> None:
    project.add_table("a")
    bad = project.add("b", 'op.execute("SELECT 1/0")', down="a")
    empty = scraped(project)
    states = {label: value for (name, label), value in empty.items() if name == "tidegate_schema_state"}
    assert states.pop("empty") == 1
    assert set(states.values()) == {0}
    assert (empty["tidegate_up", ""], empty["tidegate_pending_revisions", ""]) == (1, 2)
    assert ("tidegate_last_run_success", "") not in empty
    began = time.time()
    project.tidegate("upgrade")
    failed = scraped(project)
    assert (failed["tidegate_schema_state", "behind"], failed["tidegate_pending_revisions", ""]) == (1, 1)
    assert failed["tidegate_last_run_success", ""] == 0
    assert began <= failed["tidegate_last_run_timestamp_seconds", ""] <= time.time()
    assert 0 < failed["tidegate_last_run_duration_seconds", ""] < 30
    bad.write_text(bad.read_text().replace("1/0", "pg_sleep(0.1)"))
    project.tidegate("upgrade")
    current = scraped(project)
    assert (current["tidegate_schema_state", "current"], current["tidegate_schema_revision_info", "b"]) == (1, 1)
    assert current["tidegate_runs_total", "succeeded"] == current["tidegate_runs_total", "failed"] == 1
    assert current["tidegate_runs_total", "killed"] == 0
    assert 0.1 <= current["tidegate_last_run_revision_duration_seconds", "b"] < 5
    assert current["tidegate_lock_held", ""] == 0
    assert_the_page_lists_every_metric_with_its_meaning_and_alerts_on_no_other(project)


def test_a_run_at_work_holds_the_lock_and_a_role_that_only_monitors_sees_it(project: Project) -> None:
    project.query("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    project.query("CREATE ROLE monitor LOGIN; GRANT SELECT ON alembic_version TO monitor")
    project.add("a", "pass")
    project.add_table("b", down="a", seconds=1)
    run = project.start(DOORS["tidegate upgrade"])
    until(project.sleepers, what="the run is at work")
    seen = scraped(project, project.url.replace("postgres@", "monitor@"))
    run.communicate()
    assert (seen["tidegate_lock_held", ""], seen["tidegate_schema_revision_info", "a"]) == (1, 1)
    assert seen["tidegate_runs_total", "succeeded"] == 0
    assert scraped(project, project.url.replace("postgres@", "monitor@"))["tidegate_last_run_success", ""] == 1
    project.query("DROP OWNED BY monitor; DROP ROLE monitor")


def test_a_database_that_does_not_answer_is_not_up(project: Project) -> None:
    project.add("a", "pass")
    gone = project.tidegate("metrics", "--timeout", "0s", DATABASE_URL=f"postgresql://x@127.0.0.1:{free_port()}/x")
    assert (gone.code, samples(gone.out)["tidegate_up", ""]) == (12, 0)
    refused = project.tidegate("metrics", DATABASE_URL=f"{project.url}_is_not_there")
    assert (refused.code, samples(refused.out)["tidegate_up", ""]) == (13, 0)


def test_the_file_is_replaced_whole_and_readable_by_the_collector(project: Project) -> None:
    project.add("a", "pass")
    path = project.folder / "tidegate.prom"
    path.write_text("old")
    old = path.stat().st_ino
    assert project.tidegate("metrics", "--output", "tidegate.prom").out == ""
    assert samples(path.read_text())["tidegate_up", ""] == 1
    assert path.stat().st_ino != old, "it was written in place, where a collector sees half of it"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert project.tidegate("metrics", "--output", "tidegate.prom", DATABASE_URL=f"{project.url}_not").code == 13
    assert samples(path.read_text())["tidegate_up", ""] == 0
    assert project.tidegate("metrics", "--output", "missing/tidegate.prom").code == 64
    assert [file.name for file in project.folder.iterdir() if "prom" in file.name] == ["tidegate.prom"]


def assert_the_page_lists_every_metric_with_its_meaning_and_alerts_on_no_other(project: Project) -> None:
    page = (Path(__file__).parent.parent / "docs" / "monitoring.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| ([^|]+) \|$", page, re.MULTILINE)
    metrics = scrape(find_target(str(project.folder / "alembic.ini"), database_url=project.url), print).metrics
    assert [(name, kind, labels.strip(), meaning.strip()) for name, kind, labels, meaning in listed] == [
        (metric.name, metric.kind, ", ".join(f"`{label}`" for label in metric.samples[0][0]), metric.help)
        for metric in metrics
    ]
    rules = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"tidegate_\w+", rule["expr"])}
    assert named <= {metric.name for metric in metrics}


def test_labels_are_escaped_and_hold_no_password(project: Project) -> None:
    project.add("a", "pass")
    odd = 'a "quoted"\\path\nand a line'
    text = Scrape([Metric("tidegate_x", "gauge", "X.", [({"revision": odd}, 1)])], None).as_text(odd)
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"database": odd, "revision": odd}
    url = project.url.replace("postgres@", "postgres:s3cret-w0rd@")
    out = project.tidegate("metrics", DATABASE_URL=url).out
    parts = urlsplit(url)
    assert "s3cret-w0rd" not in out
    assert f'database="127.0.0.1:{parts.port}{parts.path}"' in out
