"""How findings and mending are shown: text for people, JSON for scripts, the exit code."""

from __future__ import annotations

from typing import NamedTuple

from tidegate.errors import DamageFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.doctor.finding import Finding
    from tidegate.doctor.mending import Mended


class Report(NamedTuple):
    """What `tidegate doctor` shows."""

    findings: list[Finding]
    """What is found; after `--fix`, what is still found."""
    done: list[Mended]
    is_dry: bool = False
    """Whether to show what `--fix` would execute."""

    @property
    def exit_code(self) -> int:
        """15 while there is damage."""
        return DamageFound.exit_code if self._damage else 0

    @property
    def _damage(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_damage]

    def as_json(self) -> dict[str, Any]:
        """The contract for scripts; more keys may come, none goes."""
        return {
            "findings": [finding.as_json() for finding in self.findings],
            "mended": [mended.finding.as_json() for mended in self.done if mended.error is None],
            "not_mended": [mended.finding.as_json() | {"error": mended.error} for mended in self.done if mended.error],
        }

    def as_text(self) -> str:
        """The same for people."""
        parts = [f"mended: {mended.finding.what}" for mended in self.done if mended.error is None]
        parts += [
            f"not mended: {mended.finding.what}\n  because {mended.error}" for mended in self.done if mended.error
        ]
        parts += [finding.as_text() + self._would_execute(finding) for finding in self.findings]
        return "\n\n".join([*parts, self._summary])

    def _would_execute(self, finding: Finding) -> str:
        return "".join(f"\n  fix   {statement}" for statement in finding.fix) if self.is_dry else ""

    @property
    def _summary(self) -> str:
        damage, fixable = len(self._damage), sum(bool(finding.fix) for finding in self._damage)
        if not damage:
            return "no damage"
        fix = f"; `tidegate doctor --fix` mends {fixable} of them" if fixable and not self.done else ""
        return f"damage found: {damage}{fix}"
