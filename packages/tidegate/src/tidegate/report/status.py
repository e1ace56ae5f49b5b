"""`tidegate status`: what one look at the database tells, without a lock."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.database.connect import connected
from tidegate.database.lock import FENCE, MUTEX, Holder, holders
from tidegate.database.look import look
from tidegate.doctor.examination import damage_in
from tidegate.project.graph import read_graph
from tidegate.report.state import MEANING, Judgement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.doctor.finding import Finding
    from tidegate.report.target import Target


class Status(NamedTuple):
    """What `tidegate status` shows."""

    judgement: Judgement
    holder: Holder | None
    damage: list[Finding]

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        judgement = self.judgement
        return {
            "state": judgement.state,
            "reason": judgement.reason,
            "may_serve": judgement.may_serve,
            "current": list(judgement.current),
            "heads": list(judgement.heads),
            "pending": [revision.id for revision in judgement.pending],
            "lock": {"held": self.holder is not None, "holder": str(self.holder) if self.holder else None},
            "damage": [damage.as_json() for damage in self.damage],
        }

    def as_text(self) -> str:
        """The same for people."""
        judgement = self.judgement
        lines = [
            f"state    {judgement.state}: {MEANING[judgement.state]}",
            f"reason   {judgement.reason}",
            f"serve    {'yes' if judgement.may_serve else 'no'}",
            f"current  {', '.join(judgement.current) or 'none'}",
            f"heads    {', '.join(judgement.heads) or 'none'}",
            f"lock     {f'held by {self.holder}' if self.holder else 'free'}",
        ]
        lines += [f"pending  {rev.id}{f' ({rev.phase})' if rev.phase else ''}" for rev in judgement.pending]
        lines += [f"damage   {damage.what}; {damage.hint}" for damage in self.damage]
        return "\n".join(lines)


def read_status(target: Target) -> Status:
    """The status of the target's database. Only reads."""
    graph = read_graph(target.project)
    with connected(target.database, wait_s=target.waits.for_db_s, purpose="status") as connection:
        found = holders(connection, MUTEX) or holders(connection, FENCE)
        return Status(
            judgement=look(connection, graph, target.project.version_table),
            holder=found[0] if found else None,
            damage=damage_in(target, connection, graph),
        )
