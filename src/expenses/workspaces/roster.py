"""Who may do what to whom: the rules among members that no matrix of roles and actions can say. Pure.

A roster is read under the workspace's lock, so what it says stays true until the transaction ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from expenses.errors import Forbidden, NotFound
from expenses.workspaces.model import MOST_MEMBERS, ROLES, LastOwner, TooManyMembers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from expenses.workspaces.model import Role


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody in one workspace, with their roles."""

    roles: Mapping[UUID, Role]

    def role_of(self, user_id: UUID) -> Role:
        """The role of a member. Raises `NotFound` for everybody else."""
        if user_id not in self.roles:
            raise NotFound
        return self.roles[user_id]

    def check_gift(self, role: Role, *, by: UUID) -> None:
        """Refuse to give a role above one's own."""
        if ROLES.index(role) < ROLES.index(self.role_of(by)):
            raise Forbidden("Nobody gives a role above their own.")

    def check_power(self, over: UUID, *, by: UUID) -> None:
        """Refuse to touch others who are not below oneself; owners may touch owners, and everybody themselves."""
        mine, theirs = self.role_of(by), self.role_of(over)
        if over != by and mine != "owner" and ROLES.index(theirs) <= ROLES.index(mine):
            raise Forbidden("This member's role is not below yours; an owner can do it.")

    def check_owner_without(self, user_id: UUID) -> None:
        """Refuse to go on without this member when they are the last owner."""
        if self.role_of(user_id) == "owner" and list(self.roles.values()).count("owner") == 1:
            raise LastOwner

    def check_room(self) -> None:
        """Refuse one more than there may be."""
        if len(self.roles) >= MOST_MEMBERS:
            raise TooManyMembers
