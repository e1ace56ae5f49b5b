"""The judgement: given the code's graph and what the database says, what is the state and may a server serve.

Pure: no I/O, no clock. The table of states and exit codes is a contract that others script against.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tidegate.project.graph import Graph, Revision

EXIT_CODES = {
    "current": 0,
    "behind": 3,
    "ahead": 4,
    "incompatible": 5,
    "diverged": 6,
    "empty": 7,
    "unknown": 8,
}
"""What `tidegate status` ends with, by state."""

MEANING = {
    "current": "the database is at the code's heads",
    "behind": "revisions are pending",
    "ahead": "the database is newer, and every newer revision leaves this code working",
    "incompatible": "the database is newer, and one of the newer revisions breaks this code",
    "diverged": "the code has several heads, or the database is on another branch",
    "empty": "the database was never migrated",
    "unknown": "the database's revision is in neither the code nor the record",
}


class Judgement(NamedTuple):
    """The state of one database as one version of the code sees it."""

    state: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[Revision, ...]
    reason: str
    """A clause for people: what exactly makes it so."""

    @property
    def may_serve(self) -> bool:
        """Whether a server of this code can work on that schema."""
        if self.state == "behind":
            return all(revision.phase == "contract" for revision in self.pending)
        return self.state in {"current", "ahead"}

    @property
    def exit_code(self) -> int:
        """What `tidegate status` ends with."""
        return EXIT_CODES[self.state]


def judge(graph: Graph, current: Iterable[str], recorded: Mapping[str, Revision]) -> Judgement:
    """The state of a database.

    Args:
        current: The revisions in its version table.
        recorded: The revisions that its record knows, newer images' among them.
    """
    at = tuple(sorted(current))
    applied = graph.closure(at, recorded)
    pending = graph.pending(applied)

    def state(name: str, reason: str) -> Judgement:
        return Judgement(name, at, graph.heads, pending, reason)

    if len(graph.heads) > 1 and not graph.has_one_head_per_branch():
        return state("diverged", f"the code has several heads: {', '.join(graph.heads)}")
    if not at:
        return state("empty" if len(graph) else "current", "no revision is applied")
    strangers = [id_ for id_ in sorted(applied) if id_ not in graph]
    if strangers:
        return _beyond_the_code(state, strangers, pending, recorded)
    if pending:
        return state("behind", f"{len(pending)} pending, the next is `{pending[0].id}`")
    return state("current", MEANING["current"])


def _beyond_the_code(
    state: Callable[[str, str], Judgement],
    strangers: list[str],
    pending: tuple[Revision, ...],
    recorded: Mapping[str, Revision],
) -> Judgement:
    unknown = [id_ for id_ in strangers if id_ not in recorded]
    if unknown:
        return state("unknown", f"`{', '.join(unknown)}` is in no revision file here and not in the record")
    if pending:
        return state("diverged", f"the database has `{', '.join(strangers)}` and lacks `{pending[-1].id}`")
    breaking = [id_ for id_ in strangers if recorded[id_].phase == "contract"]
    if breaking:
        return state("incompatible", f"`{', '.join(breaking)}` removed what this code needs")
    return state("ahead", f"{len(strangers)} newer: {', '.join(strangers)}")
