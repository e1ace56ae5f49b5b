"""What workspaces are made of, and which time zones there are. Pure: no I/O, no clock.

ServiceError
├── NotFound
│   └── InvalidInvitation
└── Conflict
    ├── LastOwner
    ├── BaseCurrencyInUse
    ├── AlreadyMember
    ├── TooManyMembers
    └── TooManyInvitations
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from expenses.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

Kind = Literal["household", "company"]
"""What a workspace is for."""

Role = Literal["owner", "admin", "member", "viewer"]
"""What somebody may do in a workspace, from most to least (`workspaces.rights` says what exactly)."""

ROLES: tuple[Role, ...] = ("owner", "admin", "member", "viewer")
"""All roles, from most to least."""

MOST_MEMBERS = 500
"""A household or a small company; pages show all of them."""


MOST_WORKSPACES = 200
"""Of one person; pages show all of them. Made at the same moment, it can be a few more."""


class LastOwner(Conflict):
    """The workspace would be left without an owner; make somebody else an owner first."""

    code = "last_owner"


class BaseCurrencyInUse(Conflict):
    """There are expenses already, and what was converted for them is in the base currency, so it stays."""

    code = "base_currency_in_use"


class AlreadyMember(Conflict):
    """You belong to this workspace already; the invitation can still be used by somebody else."""

    code = "already_member"


class TooManyMembers(Conflict):
    """The workspace has as many members as it can have; remove somebody first."""

    code = "too_many_members"


class TooManyWorkspaces(Conflict):
    """You belong to as many workspaces as one can; leave one first."""

    code = "too_many_workspaces"


class TooManyInvitations(Conflict):
    """There are too many open invitations; revoke some, or wait until they expire."""

    code = "too_many_invitations"


class InvalidInvitation(NotFound):
    """This invitation has been used, was revoked or has expired; ask for a new one."""

    code = "invalid_invitation"


@dataclass(frozen=True, slots=True)
class Workspace:
    """One household or company and what holds for all its expenses."""

    id: UUID
    name: str
    kind: Kind
    base_currency: str
    time_zone: str
    created_at: datetime

    entity: ClassVar[str] = "workspace"

    def snapshot(self) -> dict[str, Any]:
        """What goes on record."""
        return {
            "id": str(self.id),
            "name": self.name,
            "kind": self.kind,
            "base_currency": self.base_currency,
            "time_zone": self.time_zone,
        }


@dataclass(frozen=True, slots=True)
class WorkspaceChange:
    """What is to be different about a workspace; `None` stays as it is."""

    name: str | None = None
    kind: Kind | None = None
    base_currency: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """That somebody belongs to a workspace, and in which role."""

    workspace: Workspace
    user_id: UUID
    role: Role

    def snapshot(self) -> dict[str, Any]:
        """What the member is shown of it and can change; its version is made from this."""
        return self.workspace.snapshot() | {"role": self.role}


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a workspace as the others see them."""

    user_id: UUID
    email: str
    display_name: str
    role: Role
    joined_at: datetime

    def snapshot(self) -> dict[str, Any]:
        """What the others are shown of them and can change; its version is made from this."""
        return {
            "user_id": str(self.user_id),
            "email": self.email,
            "display_name": self.display_name,
            "role": self.role,
            "joined_at": self.joined_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class FormerMember:
    """Somebody who belonged to a workspace: the name behind what they paid."""

    user_id: UUID
    display_name: str
    left_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """A way into a workspace for whoever has its link first."""

    id: UUID
    role: Role
    note: str
    """For whom it is meant, in the words of who made it; empty if they said nothing."""
    created_by: UUID
    created_at: datetime
    expires_at: datetime

    entity: ClassVar[str] = "invitation"

    def snapshot(self) -> dict[str, Any]:
        """What goes on record; never the token."""
        return {
            "id": str(self.id),
            "role": self.role,
            "note": self.note,
            "created_by": str(self.created_by),
            "expires_at": self.expires_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation at the only moment when its token can be read."""

    invitation: Invitation
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """What somebody with an invitation's link is told before they accept."""

    workspace_name: str
    role: Role
    invited_by: str
    expires_at: datetime


def parse_time_zone(text: str) -> str:
    """The name of a time zone of the IANA database.

    Raises:
        Invalid: There is no such time zone.
    """
    if text not in zoneinfo.available_timezones():
        raise Invalid("This is not the name of a time zone, such as `Europe/Berlin`.", field="time_zone")
    return text


def role_named(text: str) -> Role:
    """The role with this name.

    Raises:
        Invalid: There is no such role.
    """
    for role in ROLES:
        if role == text:
            return role
    raise Invalid("Choose one of the roles.", field="role")


def kind_named(text: str) -> Kind:
    """The kind with this name.

    Raises:
        Invalid: There is no such kind.
    """
    if text == "household":
        return "household"
    if text == "company":
        return "company"
    raise Invalid("It is a household or a company.", field="kind")
