"""Who may do what in a workspace: one matrix, from which checks, tests, OpenAPI and `docs/rights.md` come.

A service begins with `authorize(…, action=Action.X)`, and its route declares the same action with
`openapi_extra=needs(Action.X)`. `tests/workspaces/test_rights.py` finds every route below a workspace, and tries each
with every role, with a stranger, and with tokens whose scopes are too few.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expenses.accounts.model import InsufficientScope
from expenses.errors import Forbidden, NotFound
from expenses.workspaces import queries
from expenses.workspaces.model import ROLES

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.accounts.model import Actor, Scope
    from expenses.db import Session
    from expenses.workspaces.model import Membership, Role

_EVERYBODY: frozenset[Role] = frozenset(ROLES)
_WRITERS: frozenset[Role] = frozenset({"owner", "admin", "member"})
_MANAGERS: frozenset[Role] = frozenset({"owner", "admin"})
_OWNERS: frozenset[Role] = frozenset({"owner"})


@dataclass(frozen=True, slots=True)
class Right:
    """One row of the matrix."""

    what: str
    """What one does, for people to read; no two rows say the same."""
    roles: frozenset[Role]
    scope: Scope
    """What a token must be for; the sessions of pages are for everything."""


@enum.unique
class Action(enum.Enum):
    """Everything that can be done in a workspace. A new kind of deed gets a row here, and nothing else."""

    SEE_LEDGER = Right("See expenses, categories, and what they come to", _EVERYBODY, "read")
    CHANGE_EXPENSES = Right("Record, change, delete and restore expenses", _WRITERS, "write")
    SETTLE = Right("Record and take back payments between people", _WRITERS, "write")
    PURGE_TRASH = Right("Delete what is in the trash for ever", _MANAGERS, "write")
    CHANGE_CATEGORIES = Right("Make, change and archive categories", _WRITERS, "write")
    CHANGE_ACCOUNTS = Right("Make, change and archive payment accounts", _WRITERS, "write")
    CHANGE_RATES = Right("Enter, load and delete exchange rates", _WRITERS, "write")
    SEE_AUDIT = Right("See who changed what", _MANAGERS, "read")
    SEE_HISTORY = Right("See who changed what about an expense", _WRITERS, "read")
    SEE_WORKSPACE = Right("See the workspace's settings", _EVERYBODY, "read")
    CHANGE_WORKSPACE = Right("Change name, kind, currency and time zone", _MANAGERS, "admin")
    SEE_MEMBERS = Right("See who belongs to the workspace, and who did", _EVERYBODY, "read")
    CHANGE_ROLES = Right("Give members another role", _MANAGERS, "admin")
    REMOVE_MEMBERS = Right("Remove members", _MANAGERS, "admin")
    INVITE = Right("Invite people, see and revoke invitations", _MANAGERS, "admin")
    LEAVE = Right("Leave", _EVERYBODY, "admin")
    HAND_OVER = Right("Hand the workspace over", _OWNERS, "admin")

    def allows(self, role: Role) -> bool:
        """Whether this role may do it."""
        return role in self.value.roles


async def authorize(session: Session, *, actor: Actor, workspace_id: UUID, action: Action) -> Membership:
    """How the actor, who may do this, belongs to the workspace: the first line of every service that touches one.

    Raises:
        NotFound: The actor does not belong to it, or there is no such workspace; strangers cannot tell which.
        InsufficientScope: The actor's token is not for this.
        Forbidden: The actor's role does not allow it.
    """
    told = actor.standing
    if told is not None and told.workspace_id == workspace_id:  # who asks was found out together with it
        found = queries.membership_told(told, user_id=actor.user_id)
    else:
        found = await queries.membership_in(session, user_id=actor.user_id, workspace_id=workspace_id)
    if found is None:
        raise NotFound
    check_scope(actor, action.value.scope)
    if not action.allows(found.role):
        raise Forbidden
    return found


def check_scope(actor: Actor, scope: Scope) -> None:
    """Refuse a token that is not for this.

    Raises:
        InsufficientScope: It lacks the scope.
    """
    if scope not in actor.scopes:
        raise InsufficientScope(f"This token lacks the scope `{scope}`.")


def needs(action: Action) -> dict[str, Any]:
    """What a route says about its action, for its `openapi_extra`."""
    right: Right = action.value
    roles = [role for role in ROLES if role in right.roles]
    return {"x-action": action.name.lower(), "x-roles": roles, "x-scope": right.scope}
