"""Promises that the tree itself keeps: what its pages say is there, and what must not be in it is not."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """The files under version control, those only that match one of the patterns if there are any."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def verbs() -> set[str]:
    return set(re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_make_alone_prints_every_verb_with_a_word_about_it() -> None:
    printed = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    told = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", printed.stdout, re.MULTILINE))
    assert set(told) == verbs()
    assert {"run", "test", "test-stack", "test-browser", "check", "format", "migration", "clean"} <= set(told)


def test_every_command_of_make_in_the_pages_exists() -> None:
    for page in tracked("*.md"):
        named = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        unknown = {one or other for one, other in named} - verbs()
        assert not unknown, f"{page.name} names verbs that the Makefile does not have: {unknown}"


def test_every_script_and_compose_file_in_the_pages_exists() -> None:
    for page in tracked("*.md"):
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"docker-compose[\w.]*\.yaml|(?<![\w/.])\.ci/\w+|(?<![\w/])ops/[\w.-]+\w", text))
        missing = [name for name in named if not (ROOT / name).exists()]
        assert not missing, f"{page.name} names files that are not there: {missing}"


def test_the_map_in_the_readme_is_the_tree() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Map")[2].partition("```")[2].partition("```")[0]
    mapped = re.findall(r"^(\S+)", section, re.MULTILINE)
    missing = [name for name in mapped if not (ROOT / name).exists()]
    assert not missing, "the map names what is not there"
    elsewhere = text + "LICENSE"
    unmapped = [
        name
        for name in {path.relative_to(ROOT).parts[0] for path in tracked()}
        if not name.startswith(".") and name not in elsewhere
    ]
    assert not unmapped, "the tree has what the README does not name"


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in tracked("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
            elif anchor and file.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                if anchor not in {slug(heading) for heading in headings}:
                    broken.append(f"{page.relative_to(ROOT)}: {target} (no such heading)")
    assert broken == []


MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+|opt/(?:wheels|pypi))/")
REGISTRY_HOSTS = re.compile(
    r"(?:pypi|pythonhosted|npmjs|debian|docker)\.(?:org|io|com)/(?:simple|packages|debian)|\.pypi\."
)


def test_no_file_knows_the_machine_it_was_written_on_or_a_package_registry() -> None:
    found = []
    for path in tracked():
        if path.name in {"uv.lock", "Dockerfile"}:  # one names the public index, the other has paths of the image
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {match.group()}"
            for pattern in (MACHINE_PATHS, REGISTRY_HOSTS)
            for match in pattern.finditer(text)
        ]
    assert found == []


def test_the_lock_names_one_public_index_and_no_folder_of_this_machine() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    sources = set(re.findall(r"^source = \{ (\w+) = \"([^\"]+)\" \}", lock, re.MULTILINE))
    assert {kind for kind, _ in sources} == {"registry", "editable"}
    (index,) = (address for kind, address in sources if kind == "registry")
    assert re.fullmatch(r"https://pypi\.[a-z]+/simple", index)


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in tracked("*.py") if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert relative(silent) == []


LONG_FOR_A_REASON = {"src/expenses/web/static/app.css": "one stylesheet is one request; its parts have headings"}
"""Files that may be longer than others, and why."""


def test_no_file_has_more_than_300_lines() -> None:
    written = tracked("*.py", "*.sh", "*.css", "*.html", "Makefile", ".ci/*")
    long = [
        path
        for path in written
        if len(path.read_text(encoding="utf-8").splitlines()) > 300 and "vendor" not in path.parts
    ]
    assert sorted(set(relative(long)) - LONG_FOR_A_REASON.keys()) == []


@pytest.mark.parametrize(
    ("finding", "with_a_reason"),
    [(r"# noqa\b", r"# noqa: [A-Z0-9, ]+ - \S"), (r"# type: ignore\b", r"# type: ignore\[[\w, -]+\]  # \S")],
)
def test_every_suppressed_finding_has_a_reason(finding: str, with_a_reason: str) -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("*.py")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(finding, line) and not re.search(with_a_reason, line)
    ]
    assert bare == []


def test_the_changelogs_say_what_is_not_released_yet() -> None:
    for changelog in tracked("CHANGELOG.md", "*/CHANGELOG.md"):
        unreleased = re.split(r"^## ", changelog.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
        assert unreleased.startswith("Unreleased"), changelog
        assert re.search(r"^- \S", unreleased, re.MULTILINE), f"{changelog} says nothing"


def test_decisions_are_numbered_in_a_row_and_have_their_four_parts() -> None:
    pages = sorted(tracked("docs/decisions/*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        for part in ("Context", "Decision", "Consequences", "Alternatives"):
            assert re.search(rf"^(## {part}$|\*\*{part}\.\*\*)", text, re.MULTILINE), (
                f"{page.name} has no {part.lower()}"
            )


def test_scripts_that_are_called_by_name_may_be_executed() -> None:
    called = tracked(".ci/*", "entrypoint.sh", "ops/*.sh")
    assert [path for path in called if not path.stat().st_mode & 0o111] == []


def test_no_secret_file_is_under_version_control() -> None:
    kept_out = re.compile(r"(^|/)(\.env(\.prod)?|.*\.(key|pem|p12|dump))$")
    assert [name for name in relative(tracked()) if kept_out.search(name)] == []
