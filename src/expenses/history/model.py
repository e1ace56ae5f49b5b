"""What a change changed, field by field. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expenses.audit.model import AuditEvent


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a change changed, as it was and as it is since; `None` where there was nothing."""

    field: str
    before: Any
    after: Any


def differences(event: AuditEvent) -> list[Difference]:
    """The fields that differ, in the order of the API's JSON. Ids and versions say nothing to people."""
    before, after = event.before or {}, event.after or {}
    names = [name for name in dict.fromkeys([*after, *before]) if name not in {"id", "version"}]
    return [
        Difference(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    ]
