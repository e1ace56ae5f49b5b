"""How who asks belongs to the workspace that their request names. Pure; `workspaces` make a `Membership` of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database said, with who asks, of the workspace that the request names."""

    workspace_id: UUID
    role: str | None
    """`None`: they do not belong to it, or there is none; the rest is empty then."""
    name: str = ""
    kind: str = ""
    base_currency: str = ""
    time_zone: str = ""
    created_at: datetime | None = None
