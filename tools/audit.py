"""`make audit`: what is known about the packages that we depend on; `make audit-lock`: what needs no service for it.

Four questions, about every package in `uv.lock`:

1. *pinned*: is every file of it named with its SHA-256, from the one public index?
2. *licences*: does its metadata say a licence that we may ship, or, for tools that are not shipped, use?
3. *index*: does the index still have each file with that hash, and is the version not yanked?
4. *holes*: does the database of known vulnerabilities (osv.dev) name none for this version?

The first two read only what is here, the third asks the package index, the fourth osv.dev. A question that could not be
asked is a failure, never a pass. Whether the fourth is really answered is seen by a version that is known to have holes
and is asked about along with the others. Why not pip-audit: docs/decisions/0029-what-an-audit-asks.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ROOT = Path(__file__).resolve().parent.parent

OSV = "https://api.osv.dev/v1/querybatch"
"""Where known vulnerabilities are asked for; `AUDIT_OSV` names another place, such as a mirror."""

KNOWN_BAD = ("jinja2", "2.10")
"""A version that has holes (CVE-2019-10906 is one): an answer that does not say so is not believed."""

PERMISSIVE = re.compile(
    r"MIT(-0)?|MIT License|(Apache|BSD|ISC|PSF|Python)\b.*|.*\b(BSD|ISC) License.*|[23]-Clause BSD.*|The Unlicense.*|"
    r"Apache Software License"
)
"""What may be shipped with our MIT."""

WEAK = re.compile(r"(LGPL|MPL|Mozilla Public License|GNU Library or Lesser).*")
"""Copyleft for the package's own files only: for drivers of the database, and for tools that are not shipped."""

JUDGED = {
    "axe-playwright-python": "its metadata name no licence; its LICENSE is MIT. A tool of the tests",
    "psycopg2-binary": "LGPL with exceptions; a driver, loaded as it is",
}
"""Packages whose metadata do not settle it, and what was found."""

SIMPLE_JSON = "application/vnd.{}.simple.v1+json".format("pypi")  # in one piece it looks like a registry's host
"""The form in which an index lists the files of a package (PEP 691)."""

TIMEOUT_S = 30


class NotAsked(Exception):
    """A question could not be asked, so nothing is known; carries who did not answer."""


@dataclass(frozen=True)
class Package:
    """One package of the lock file."""

    name: str
    version: str
    index: str
    hashes: Mapping[str, str]
    """SHA-256 of each file, by its name; empty where one has none."""


def packages_of(lock: str) -> list[Package]:
    """Every package of a lock file that comes from an index; our own come from folders."""
    found = []
    for each in tomllib.loads(lock)["package"]:
        if "registry" not in each["source"]:
            continue
        files = [*each.get("wheels", []), *([each["sdist"]] if "sdist" in each else [])]
        hashes = {file["url"].rpartition("/")[2]: file.get("hash", "").removeprefix("sha256:") for file in files}
        found.append(Package(each["name"], each["version"], each["source"]["registry"], hashes))
    return found


def shipped_of(lock: str) -> set[str]:
    """The names of what the image gets: what the service and tidegate need, and what that needs."""
    needs = {
        each["name"]: [need["name"] for need in each.get("dependencies", [])]
        + [need["name"] for extra in each.get("optional-dependencies", {}).values() for need in extra]
        for each in tomllib.loads(lock)["package"]
    }
    reached, ahead = set(), ["expenses", "tidegate"]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += needs.get(name, [])
    return reached


def unpinned(packages: Iterable[Package]) -> list[str]:
    """Packages of which a file has no SHA-256, or that come from elsewhere than the others."""
    packages = list(packages)
    indexes = {each.index for each in packages}
    found = [f"more than one index: {', '.join(sorted(indexes))}"] if len(indexes) != 1 else []
    return found + [
        f"{each.name} {each.version}: a file without its SHA-256"
        for each in packages
        if not each.hashes or not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in each.hashes.values())
    ]


def licences_of(distribution: Distribution) -> list[str]:
    """What a package says about its licence, the most exact word first."""
    said = distribution.metadata
    classified = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if each.startswith("License")]
    words = [said[name].partition("\n")[0] for name in ("License-Expression", "License") if name in said]
    return [word for word in (*words, *classified) if word]


def unlicensed(packages: Iterable[Package], installed: Mapping[str, list[str]], shipped: set[str]) -> list[str]:
    """Packages whose licence we may not use, as far as they are installed here."""
    found = []
    for each in packages:
        if each.name not in installed or each.name in JUDGED:
            continue
        said = installed[each.name]
        terms = [term for word in said[:1] for term in re.split(r" (?:AND|OR) ", word)]
        allowed = [PERMISSIVE] if each.name in shipped else [PERMISSIVE, WEAK]
        if not terms or not all(any(kind.fullmatch(term) for kind in allowed) for term in terms):
            found.append(f"{each.name} {each.version}: {said or 'says no licence'}")
    return found


def recalled(packages: Iterable[Package]) -> list[str]:
    """Packages that the index has no more, has with other content, or advises against (yanked)."""
    with ThreadPoolExecutor(8) as pool:
        return [fault for faults in pool.map(_recalled, packages) for fault in faults]


def _recalled(package: Package) -> list[str]:
    address = f"{package.index}/{package.name}/"
    page = _answer(urllib.request.Request(address, headers={"Accept": SIMPLE_JSON}))  # noqa: S310 - the lock names https
    files = {file["filename"]: file for file in page["files"]}
    found = []
    for name, digest in package.hashes.items():
        known = files.get(name)
        if known is None or known["hashes"].get("sha256") != digest:
            found.append(f"{package.name} {package.version}: the index has no `{name}` with this hash any more")
        elif known.get("yanked"):
            found.append(f"{package.name} {package.version}: yanked ({known['yanked']})")
    return found


def holes(packages: Iterable[Package], *, service: str) -> list[str]:
    """Packages that have known vulnerabilities. Raises `NotAsked`, also when the answer cannot be believed."""
    asked = [KNOWN_BAD, *((each.name, each.version) for each in packages)]
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in asked]
    request = urllib.request.Request(  # noqa: S310 - https, unless whoever calls says otherwise
        service, data=json.dumps({"queries": queries}).encode(), headers={"Content-Type": "application/json"}
    )
    results = _answer(request).get("results", [])
    if len(results) != len(asked) or not results[0].get("vulns"):
        raise NotAsked(f"`{service}` does not know what everybody knows about {' '.join(KNOWN_BAD)}")
    return [
        f"{name} {version}: {', '.join(hole['id'] for hole in result['vulns'])}"
        for (name, version), result in zip(asked[1:], results[1:], strict=True)
        if result.get("vulns")
    ]


def _answer(request: urllib.request.Request) -> Any:  # noqa: ANN401 - JSON is of any type
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            return json.load(answer)
    except (OSError, ValueError) as exc:
        raise NotAsked(f"`{request.full_url}` did not answer: {exc}") from exc


def main(arguments: list[str]) -> int:
    """Ask and tell; the exit code. `--lock` leaves out what only osv.dev knows."""
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    packages, shipped = packages_of(lock), shipped_of(lock)
    names = {re.sub(r"[-_.]+", "-", each.name).lower(): licences_of(each) for each in distributions()}
    service = os.environ.get("AUDIT_OSV", OSV)
    questions: dict[str, Callable[[], list[str]]] = {
        "pinned": lambda: unpinned(packages),
        "licences": lambda: unlicensed(packages, names, shipped),
        "index": lambda: recalled(packages),
        "holes": lambda: holes(packages, service=service),
    }
    failed = 0
    for name, ask in questions.items():
        if name == "holes" and "--lock" in arguments:
            print("not asked: holes\n\nhint: `make audit` asks osv.dev for known vulnerabilities")
            continue
        try:
            found = ask()
        except NotAsked as exc:
            found = [f"not known: {exc}"]
        print(f"{'FAILED' if found else 'ok    '} {name:<9} {len(packages)} packages")
        for fault in found:
            print(f"  {fault}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
