"""The revision graph of the code: which revisions there are, and which of them a database still lacks.

Read from the files' text, since running them means importing Alembic and SQLAlchemy (0.6 s of every
container start, measured). Only what is literally written counts; anything else is left to Alembic itself
(`exact.exact_graph`), so the short way is never a wrong way.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from tidegate.errors import NotStatic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from tidegate.project.configuration import Project

PHASES = ("expand", "backfill", "contract")
"""What a revision file may say in `phase`: before the new code, beside it, or after the old code is gone."""

_NAMES = ("revision", "down_revision", "depends_on", "branch_labels", "phase")
_ASSIGNMENT = re.compile(rf"^({'|'.join(_NAMES)})[ \t]*(?::[^=\n]*)?=[ \t]*(.*?)[ \t]*(?:#[^'\"\n]*)?$", re.MULTILINE)
_WORD = re.compile(rf"\b({'|'.join(_NAMES)})\b")
_TRIPLE = re.compile(r'("""|\'\'\').*?\1', re.DOTALL)
_COMMENT = re.compile(r"(?m)(?:^|(?<=[ \t]))#[^'\"\n]*$")
_STRING = re.compile(r"""(?:"([^"'\\]*)"|'([^"'\\]*)')""")
_SEQUENCE = re.compile(r"""[\[(][ \t]*(?:(?:"[^"'\\]*"|'[^"'\\]*')[ \t]*(?:,[ \t]*|(?=[\])])))*[\])]""")
_REVISION_FILE = re.compile(r"(?!\.#|__init__)(.*\.py)$")


_SHORTEST_PREFIX = 4
"""Alembic's own bound for ids that are written in short."""


class Revision(NamedTuple):
    """One revision, from a file of the code or from the record in a database."""

    id: str
    parents: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    phase: str | None = None
    path: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Every revision that must be applied before this one."""
        return self.parents + self.depends_on


class Graph:
    """The revisions of the code, parents before children."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._by_id: dict[str, Revision] = {revision.id: revision for revision in revisions}
        self._order = list(_parents_first(self._by_id))
        with_children = {parent for revision in self._by_id.values() for parent in revision.parents}
        self.heads = tuple(id_ for id_ in self._order if id_ not in with_children)

    def __contains__(self, revision_id: object) -> bool:
        return revision_id in self._by_id

    def __getitem__(self, revision_id: str) -> Revision:
        return self._by_id[revision_id]

    def __len__(self) -> int:
        return len(self._by_id)

    def pending(self, applied: set[str]) -> tuple[Revision, ...]:
        """The revisions that are not applied yet, in an order in which they can be."""
        return tuple(self._by_id[id_] for id_ in self._order if id_ not in applied)

    def closure(self, ids: Iterable[str], more: Mapping[str, Revision] | None = None) -> set[str]:
        """These revisions and everything they need, `more` being revisions that only the database knows."""
        found: set[str] = set()
        todo = list(ids)
        while todo:
            id_ = todo.pop()
            if id_ in found:
                continue
            found.add(id_)
            revision = self._by_id.get(id_) or (more or {}).get(id_)
            todo.extend(revision.needs if revision else ())
        return found

    def has_one_head_per_branch(self) -> bool:
        """Whether each head carries a branch label of its own, so that several heads are what the authors want."""
        labels = [self._labels(head) for head in self.heads]
        return len(self.heads) == 1 or (all(labels) and len(set().union(*labels)) == sum(map(len, labels)))

    def resolve(self, target: str) -> set[str] | None:
        """The revisions that a target means: an id, the only id that begins so, or `branch@head`; nothing if unsure."""
        name, at, what = target.partition("@")
        if at:
            found = {head for head in self.heads if name in self._labels(head) | self._ancestors(head)}
            return found if what in {"head", "heads"} and found else None
        if target in self._by_id:
            return {target}
        like = {id_ for id_ in self._by_id if id_.startswith(target)}
        return like if len(like) == 1 and len(target) >= _SHORTEST_PREFIX else None

    def _ancestors(self, head: str) -> set[str]:
        found: set[str] = set()
        todo = [head]
        while todo:
            id_ = todo.pop()
            if id_ not in found:
                found.add(id_)
                todo.extend(self._by_id[id_].parents)
        return found

    def _labels(self, head: str) -> set[str]:
        return {label for id_ in self._ancestors(head) for label in self._by_id[id_].labels}


def read_graph(project: Project) -> Graph:
    """The code's revisions, by reading if that is enough, else by Alembic, else by `env.py`, which may know better.

    Raises:
        UsageError: The revision files contradict each other or cannot be loaded.
    """
    try:
        graph = static_graph(project.version_folders())
    except NotStatic:
        from tidegate.project.exact import exact_graph

        graph = exact_graph(project)
    if not len(graph):
        from tidegate.project.env_graph import revisions_of_env_py

        graph = Graph(revisions_of_env_py(project))
    return graph


def static_graph(folders: Iterable[str]) -> Graph:
    """The revisions in these folders, read without running them.

    Raises:
        NotStatic: Some file does not say literally what it is, or the files do not fit together.
    """
    revisions: dict[str, Revision] = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if _REVISION_FILE.match(name):
                revision = _read_file(os.path.join(folder, name))
                if revision.id in revisions:
                    raise NotStatic
                revisions[revision.id] = revision
    if any(needed not in revisions for revision in revisions.values() for needed in revision.needs):
        raise NotStatic  # a branch label, a short id or a missing file: Alembic knows which
    return Graph(revisions.values())


def revision_from(facts: Mapping[str, Any]) -> Revision:
    """A revision as it came through JSON."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return Revision(**values)


def revisions_of_script(script: Any) -> list[Revision]:
    """The revisions of Alembic's own view of a project."""
    return [_from_script(revision) for revision in script.walk_revisions()]


def _from_script(script: Any) -> Revision:
    phase = getattr(script.module, "phase", None)
    return Revision(
        id=script.revision,
        parents=tuple(script._versioned_down_revisions),  # noqa: SLF001 - resolved parents have no public name
        depends_on=tuple(script._resolved_dependencies),  # noqa: SLF001 - nor have resolved dependencies
        labels=tuple(script.branch_labels or ()),
        phase=phase if phase in PHASES else None,
        path=script.path,
    )


def _read_file(path: str) -> Revision:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError as exc:
        raise NotStatic from exc  # a coding cookie; Alembic honours it
    code = _COMMENT.sub("", _TRIPLE.sub('""', text))
    words = _WORD.findall(code)
    if '"""' in code or "'''" in code or len(words) != len(set(words)):
        return _parse_file(path, text)  # a name occurs twice: which one counts, only a parser can say
    found: dict[str, Any] = {}
    for name, value in _ASSIGNMENT.findall(code):
        try:
            found[name] = _literal(value)
        except NotStatic:
            return _parse_file(path, text)
    return _revision(path, found) if len(found) == len(words) else _parse_file(path, text)


def _parse_file(path: str, text: str) -> Revision:
    import ast

    found: dict[str, Any] = {}
    try:
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            bound = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
            names = [name for name in bound if name in _NAMES]
            if not names:
                continue
            plain = isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and len(bound) == 1
            if not plain or names[0] in found:
                raise NotStatic
            found[names[0]] = ast.literal_eval(node.value)  # type: ignore[attr-defined]  # `plain` says that it has one
    except (SyntaxError, ValueError, TypeError, RecursionError) as exc:
        raise NotStatic from exc
    return _revision(path, found)


def _revision(path: str, found: Mapping[str, Any]) -> Revision:
    if not isinstance(found.get("revision"), str) or "down_revision" not in found:
        raise NotStatic
    phase = found.get("phase")
    return Revision(
        id=found["revision"],
        parents=_as_tuple(found["down_revision"]),
        depends_on=_as_tuple(found.get("depends_on")),
        labels=_as_tuple(found.get("branch_labels")),
        phase=phase if phase in PHASES else None,
        path=path,
    )


def _literal(text: str) -> Any:
    if text == "None":
        return None
    if match := _STRING.fullmatch(text):
        return match[1] if match[1] is not None else match[2]
    if _SEQUENCE.fullmatch(text):
        return tuple(first or second for first, second in _STRING.findall(text))
    raise NotStatic


def _as_tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (tuple, list, set)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise NotStatic


def _parents_first(by_id: Mapping[str, Revision]) -> Iterator[str]:
    waiting = {id_: {needed for needed in revision.needs if needed in by_id} for id_, revision in by_id.items()}
    children: dict[str, list[str]] = {}
    for id_, needs in waiting.items():
        for needed in needs:
            children.setdefault(needed, []).append(id_)
    ready = sorted(id_ for id_, needs in waiting.items() if not needs)
    while ready:
        id_ = ready.pop(0)
        yield id_
        for child in sorted(children.get(id_, ())):
            waiting[child].discard(id_)
            if not waiting[child]:
                ready.append(child)
        waiting.pop(id_)
    if waiting:
        raise NotStatic  # a cycle; Alembic names it
