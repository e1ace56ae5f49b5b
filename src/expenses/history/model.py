"""What a change changed, field by field. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from expenses.ledger.model import CONTENT

if TYPE_CHECKING:
    from expenses.audit.model import AuditEvent


_FIELDS: Final = (*CONTENT, "shares", "converted")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a change changed, as it was and as it is since; `None` where there was nothing."""

    field: str
    before: Any
    after: Any


def differences(event: AuditEvent) -> list[Difference]:
    """The fields that differ, in the order in which the API shows an expense. Ids and versions say nothing to people.

    The database keeps no order of fields. What an expense has no field for (any more) comes last.
    """
    before, after = event.before or {}, event.after or {}
    names = sorted({*before, *after} - {"id", "version"}, key=_place)
    return [
        Difference(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    ]


def _place(name: str) -> tuple[int, str]:
    return (_FIELDS.index(name) if name in _FIELDS else len(_FIELDS), name)
