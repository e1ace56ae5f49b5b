"""What one check says: whether it stands in the way, what it is, why, and what to do."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

OK, WARNING, NO_GO = "ok", "warning", "no-go"

SEVERITIES = (NO_GO, WARNING, OK)
"""The worst first."""

IMPORTANCE = (64, 14, 8, 6, 5, 13, 10, 15, 12, 11)
"""Exit codes, the most important first: what no waiting and no other remedy helps against comes before what passes."""


CHECKS = {
    "database": (12, 13, 14),
    "state": (5, 6, 8),
    "revisions": (64,),
    "tables": (10,),
    "duration": (),
    "phases": (),
    "blockers": (),
    "snapshots": (),
    "lock": (11,),
    "connections": (12,),
    "damage": (15,),
    "privileges": (13,),
}
"""Every check, with the exit codes of its no-goes. `docs/check.md` lists the same, and a test compares them."""


class Finding(NamedTuple):
    """One line of the report."""

    check: str
    severity: str
    what: str
    why: str = ""
    hint: str = ""
    exit_code: int = 0
    """Of a no-go."""

    def as_json(self) -> dict[str, Any]:
        """The finding for scripts."""
        return self._asdict()

    def as_text(self) -> str:
        """The finding for people."""
        lines = [f"{self.severity:8} {self.check:12} {self.what}"]
        lines += [f"{'':21} {word}: {text}" for word, text in (("why", self.why), ("hint", self.hint)) if text]
        return "\n".join(lines)


def exit_code_of(findings: Iterable[Finding]) -> int:
    """The most important code among the no-goes; 0 without one."""
    codes = {finding.exit_code for finding in findings if finding.severity == NO_GO}
    return next((code for code in IMPORTANCE if code in codes), max(codes, default=0))
