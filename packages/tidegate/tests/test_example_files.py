"""The examples that are read by other programs: their commands exist, their probes are answered, nothing is missing."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from tidegate import commands
from tidegate.run.health import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"
YAML = sorted(EXAMPLES.rglob("*.yaml"))
KUBERNETES = sorted((EXAMPLES / "kubernetes").glob("*.yaml"))
JOBS = [path for path in KUBERNETES if path.stem != "deployment"]
API_VERSIONS = {"Deployment": "apps/v1", "Job": "batch/v1"}


def load(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    return yaml.safe_load(path.read_text())


def nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - whatever YAML holds
    """Every mapping in it."""
    if isinstance(tree, dict):
        yield tree
    for one in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(one)


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every command line of tidegate in the examples, with the file that it is from."""
    for path in YAML:
        for node in nodes(load(path)):
            if isinstance(node.get("command"), list):
                yield path.name, [*map(str, node["command"]), *map(str, node.get("args", []))]
            if str(node.get("run", "")).startswith("tidegate"):
                yield path.name, shlex.split(node["run"])
        for comment in re.findall(r"#.*\bapp (tidegate \w+)", path.read_text()):
            yield path.name, comment.split()
    dockerfile = (EXAMPLES / "app" / "Dockerfile").read_text()
    exec_forms = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", dockerfile, re.MULTILINE)
    yield "Dockerfile", [word for form in exec_forms for word in json.loads(form)]


COMMAND_LINES = list(command_lines())


def understand(words: list[str]) -> dict[str, Any]:
    """What the command line says, as the verb gets it."""
    program, verb, *arguments = words
    assert program == "tidegate"
    return commands.tidegate.commands[verb].make_context(verb, arguments).params


@pytest.mark.parametrize("words", [words for _, words in COMMAND_LINES], ids=[" ".join(w) for _, w in COMMAND_LINES])
def test_every_command_is_one_that_tidegate_understands(words: list[str]) -> None:
    understood = understand(words)
    if words[1] == "run":
        assert "fastapi_app:create_app" in understood["command"]


@pytest.mark.parametrize("words", ["tidegate check --now", "tidegate upgrade --retry", "tidegate run --port 1 -- true"])
def test_a_command_that_tidegate_does_not_know_would_be_found(words: str) -> None:
    assert len(COMMAND_LINES) >= 10
    with pytest.raises((click.NoSuchOption, AssertionError)):
        assert understand(words.split()).get("command", ("true",))[0] == "true"


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_every_image_has_a_version(path: Path) -> None:
    images = [str(node["image"]) for node in nodes(load(path)) if isinstance(node.get("image"), str)]
    assert images
    assert [image for image in images if not re.search(r":(\d[\w.]*|\{\{ \.Values\.image\.tag \}\})$", image)] == []
    assert "python:3" in (EXAMPLES / "app" / "Dockerfile").read_text()


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_every_resource_has_what_kubernetes_requires(path: Path) -> None:
    resource = load(path)
    assert resource["apiVersion"] == API_VERSIONS[resource["kind"]]
    assert resource["metadata"]["name"]
    pod = resource["spec"]["template"]["spec"]
    for container in pod["containers"]:
        assert {"name", "image", "command"} <= container.keys()
        for variable in container["env"]:
            assert isinstance(variable.get("value", ""), str), "Kubernetes takes text only"
            assert "value" in variable or variable["valueFrom"]["secretKeyRef"].keys() == {"name", "key"}


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_every_job_is_the_same_and_gives_up_where_trying_again_is_no_use(path: Path) -> None:
    spec = load(path)["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "podFailurePolicy needs it"
    (rule,) = spec["podFailurePolicy"]["rules"]
    hopeless = rule["onExitCodes"]["values"]
    assert rule["action"] == "FailJob"
    assert {10, 13, 14, 64} <= set(hopeless)
    assert {0, 11, 12, 130, 143}.isdisjoint(hopeless)
    first = load(JOBS[0])["spec"]
    for container in (spec["template"]["spec"]["containers"][0], first["template"]["spec"]["containers"][0]):
        del container["image"], container["env"]
    assert spec == first


def test_the_hooks_run_before_anything_else_is_changed() -> None:
    helm, argo = (load(EXAMPLES / "kubernetes" / name)["metadata"] for name in ("helm-hook.yaml", "argo-cd.yaml"))
    assert set(helm["annotations"]["helm.sh/hook"].split(",")) == {"pre-install", "pre-upgrade"}
    assert argo["annotations"]["argocd.argoproj.io/hook"] == "PreSync"


def test_the_probes_of_the_deployment_are_answered_while_it_migrates_and_afterwards() -> None:
    deployment = load(EXAMPLES / "kubernetes" / "deployment.yaml")["spec"]
    assert deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    words = [*container["command"], *container["args"]]
    given = {value for option, value in pairwise(words) if option in {"--health-port", "--port"}}
    assert given == set(ports.values())
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths["startup"] in LIVE
    assert paths["liveness"] in LIVE
    assert paths["readiness"] not in LIVE
    for application in ("fastapi_app.py", "flask_app.py"):
        text = (EXAMPLES / "app" / application).read_text()
        assert [path for path in paths.values() if f'.get("{path}")' not in text] == []


def test_the_workflow_has_jobs_with_steps() -> None:
    workflow = load(EXAMPLES / "github-actions.yaml")
    assert set(workflow) == {"name", True, "jobs"}, "YAML reads `on` as true; so does GitHub's own schema check"
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert all("@v" in step["uses"] for step in job["steps"] if "uses" in step)


def test_compose_waits_for_a_database_that_answers_over_tcp() -> None:
    services = load(EXAMPLES / "app" / "compose.yaml")["services"]
    assert services["app"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert services["db"]["healthcheck"]["test"][:4] == ["CMD", "pg_isready", "-h", "127.0.0.1"]
    assert services["app"]["environment"]["RUN_MIGRATIONS"] == "${RUN_MIGRATIONS:-false}"


def test_every_example_is_listed_and_every_listed_one_is_there() -> None:
    listed = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text()))
    assert [name for name in listed if not (EXAMPLES / name).exists()] == []
    shown = [*YAML, *EXAMPLES.rglob("*_app.py"), *EXAMPLES.rglob("Dockerfile")]
    assert {str(path.relative_to(EXAMPLES)) for path in shown} <= listed
