"""What workspaces are made of, and which time zones there are. Pure: no I/O, no clock."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from expenses.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

Kind = Literal["household", "company"]
"""What a workspace is for."""

Role = Literal["owner", "admin", "member", "viewer"]
"""What somebody may do in a workspace, from most to least (`workspaces.rights` says what exactly)."""

ROLES: tuple[Role, ...] = ("owner", "admin", "member", "viewer")
"""All roles, from most to least."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """One household or company and what holds for all its expenses."""

    id: UUID
    name: str
    kind: Kind
    base_currency: str
    time_zone: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """That somebody belongs to a workspace, and in which role."""

    workspace: Workspace
    user_id: UUID
    role: Role


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a workspace as the others see them."""

    user_id: UUID
    email: str
    display_name: str
    role: Role
    joined_at: datetime


def parse_time_zone(text: str) -> str:
    """The name of a time zone of the IANA database.

    Raises:
        Invalid: There is no such time zone.
    """
    if text not in zoneinfo.available_timezones():
        raise Invalid("This is not the name of a time zone, such as `Europe/Berlin`.", field="time_zone")
    return text
