"""Invitations: links that let one person into a workspace, once, for some days. No mail is sent: people pass links on.

The token names the workspace and holds 256 random bits. It is shown once and stored as a hash; whoever has it first
gets in. An invitation is worth as much as the right of who made it: it ends with theirs.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.accounts import service as accounts
from expenses.accounts import throttle
from expenses.accounts.model import parse_name
from expenses.accounts.tokens import token_hash
from expenses.audit.model import event_about, event_of
from expenses.audit.queries import insert_audit_events
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import Forbidden, Invalid, NotFound
from expenses.ids import uuid7
from expenses.versions import check_version
from expenses.workspaces import invitation_queries as queries
from expenses.workspaces import member_queries
from expenses.workspaces.model import (
    MOST_WORKSPACES,
    AlreadyMember,
    InvalidInvitation,
    Invitation,
    Membership,
    NewInvitation,
    TooManyInvitations,
    TooManyWorkspaces,
)
from expenses.workspaces.queries import insert_membership, membership_in, memberships_of
from expenses.workspaces.rights import Action, authorize, check_scope

if TYPE_CHECKING:
    from datetime import datetime

    from expenses.accounts.model import Actor, User
    from expenses.db import Session
    from expenses.workspaces.model import Preview, Role

TOKEN_PREFIX = "exp_inv_"  # noqa: S105 - not a secret: it lets people and secret scanners recognise one
"""What every invitation's token begins with."""

LIFETIME = timedelta(days=7)
"""How long an invitation can be accepted unless it says otherwise."""

LONGEST_LIFETIME = timedelta(days=30)

MOST_OPEN = 100
"""Open invitations of one workspace."""

KEPT = timedelta(days=90)
"""How long an invitation's row stays after it has come to its end."""

_SECRET_BYTES = 32
_TOKEN_LENGTH = len(TOKEN_PREFIX) + (16 + _SECRET_BYTES) // 3 * 4


async def invite(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    role: Role,
    note: str = "",
    lifetime: timedelta = LIFETIME,
    now: datetime,
) -> NewInvitation:
    """A new invitation, committed, with the token that nobody can read again.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may not, or the role is above the actor's own.
        Invalid: To be an owner, for longer than `LONGEST_LIFETIME`, or with a note that is none.
        TooManyInvitations: There are `MOST_OPEN` open ones.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.INVITE)
    new = _drafted(role, note, lifetime, actor=actor, now=now)
    token = _new_token(workspace_id)
    async with transaction(session):
        roster = await member_queries.locked_roster(session, workspace_id=workspace_id)
        if not Action.INVITE.allows(roster.role_of(actor.user_id)):
            raise Forbidden
        roster.check_gift(role, by=actor.user_id)
        await queries.forget_old(session, workspace_id=workspace_id, before=now - KEPT)
        if await queries.count_open(session, workspace_id=workspace_id, now=now) >= MOST_OPEN:
            raise TooManyInvitations
        await queries.insert_invitation(session, workspace_id=workspace_id, new=new, token_hash=token_hash(token))
        event = event_of("invite", before=None, after=new, actor_id=actor.user_id, now=now)
        await insert_audit_events(session, workspace_id=workspace_id, new=[event])
    return NewInvitation(new, token)


async def list_invitations(session: Session, *, actor: Actor, workspace_id: UUID, now: datetime) -> list[Invitation]:
    """Those that can still be accepted, newest first.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may not invite.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.INVITE)
    return await queries.open_invitations_of(session, workspace_id=workspace_id, at_most=MOST_OPEN, now=now)


async def invitations_on_page(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int, cursor: str | None = None, now: datetime
) -> Page[Invitation]:
    """A page of `list_invitations`; raises what that raises, and `InvalidCursor`."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.INVITE)
    listing: Listing[Invitation] = Listing(f"invitations {workspace_id}", (UUID,), lambda each: (each.id,))
    (before,) = listing.key_in(cursor) or (None,)
    found = await queries.open_invitations_of(
        session, workspace_id=workspace_id, at_most=limit + 1, before=before, now=now
    )
    return listing.page(found, limit=limit)


async def get_invitation(
    session: Session, *, actor: Actor, workspace_id: UUID, invitation_id: UUID, now: datetime
) -> Invitation:
    """One that can still be accepted; raises what `revoke` raises, but for the version."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.INVITE)
    found = await queries.open_invitation_with_id(
        session, workspace_id=workspace_id, invitation_id=invitation_id, now=now
    )
    if found is None:
        raise NotFound
    return found


async def revoke(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    invitation_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> None:
    """Let nobody accept an invitation any more.

    Raises:
        NotFound: The actor does not belong to the workspace, or it has no such open invitation.
        Forbidden: The actor may not.
        PreconditionFailed: The invitation has another version than the expected one.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.INVITE)
    async with transaction(session):
        gone = await queries.mark_revoked(session, workspace_id=workspace_id, invitation_id=invitation_id, now=now)
        if gone is None:
            raise NotFound
        check_version(expected, gone.snapshot())
        event = event_of("revoke", before=gone, after=None, actor_id=actor.user_id, now=now)
        await insert_audit_events(session, workspace_id=workspace_id, new=[event])


async def preview(session: Session, *, token: str, now: datetime) -> Preview:
    """What whoever has the link is told: the workspace's name, the role, who invited, until when. Nothing more.

    Raises:
        InvalidInvitation: It never was, has been used, was revoked or has expired; nobody can tell which.
    """
    workspace_id = _workspace_named_by(token)
    found = await _open(session, workspace_id, token, now)
    return await queries.preview_of(session, workspace_id=workspace_id, found=found)


async def accept(session: Session, *, actor: Actor, token: str, now: datetime) -> Membership:
    """The actor's new membership, committed. Of several who try at once, one gets in.

    Raises:
        InsufficientScope: The actor's token is not for this.
        InvalidInvitation: As `preview`.
        AlreadyMember: The actor belongs to the workspace; the invitation stays open.
        TooManyMembers: There is no room.
        TooManyWorkspaces: The actor has as many as one can.
    """
    check_scope(actor, Action.INVITE.value.scope)
    workspace_id = _workspace_named_by(token)
    await _open(session, workspace_id, token, now)  # so that who only guesses takes no lock
    async with transaction(session):
        if len(await memberships_of(session, user_id=actor.user_id)) >= MOST_WORKSPACES:
            raise TooManyWorkspaces
        return await _let_in(session, actor.user_id, workspace_id=workspace_id, token=token, now=now)


async def sign_up_invited(
    session: Session,
    *,
    token: str,
    email: str,
    password: str,
    display_name: str | None,
    client_address: str,
    now: datetime,
) -> tuple[User, Membership]:
    """A new account in the workspace that it was invited to, committed together; it gets no workspace of its own.

    Raises:
        InvalidInvitation, TooManyMembers: As `accept`.
        Invalid, EmailTaken, TooManyAttempts, Busy: As `workspaces.service.sign_up`.
    """
    network = throttle.network_of(client_address)
    await throttle.count_attempt(session, limit=throttle.REGISTRATION, subject=network, now=now)
    workspace_id = _workspace_named_by(token)
    await _open(session, workspace_id, token, now)
    candidate = await accounts.candidate_for(email=email, password=password, display_name=display_name, now=now)
    async with transaction(session):
        user = await accounts.add_user(session, candidate=candidate)
        return user, await _let_in(session, user.id, workspace_id=workspace_id, token=token, now=now)


async def _let_in(session: Session, user_id: UUID, *, workspace_id: UUID, token: str, now: datetime) -> Membership:
    roster = await member_queries.locked_roster(session, workspace_id=workspace_id)
    found = await _open(session, workspace_id, token, now)
    if user_id in roster.roles:
        raise AlreadyMember
    roster.check_room()
    await insert_membership(session, workspace_id=workspace_id, user_id=user_id, role=found.role, now=now)
    await queries.mark_accepted(session, workspace_id=workspace_id, invitation_id=found.id, by=user_id, now=now)
    joined = {"user_id": str(user_id), "role": found.role}
    events = [
        event_of("accept", before=found, after=None, actor_id=user_id, now=now),
        event_about("member", user_id, "join", before=None, after=joined, actor_id=user_id, now=now),
    ]
    await insert_audit_events(session, workspace_id=workspace_id, new=events)
    membership = await membership_in(session, user_id=user_id, workspace_id=workspace_id)
    if membership is None:
        raise NotFound
    return membership


async def _open(session: Session, workspace_id: UUID, token: str, now: datetime) -> Invitation:
    found = await queries.open_invitation(session, workspace_id=workspace_id, token_hash=token_hash(token), now=now)
    if found is None:
        raise InvalidInvitation
    return found


def _drafted(role: Role, note: str, lifetime: timedelta, *, actor: Actor, now: datetime) -> Invitation:
    if role == "owner":
        raise Invalid("Nobody is invited as an owner; hand the workspace over to a member.", field="role")
    if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
        raise Invalid(f"An invitation lasts 1 to {LONGEST_LIFETIME.days} days.", field="expires_in_days")
    return Invitation(
        id=uuid7(now),
        role=role,
        note=parse_name(note, field="note") if note.strip() else "",
        created_by=actor.user_id,
        created_at=now,
        expires_at=now + lifetime,
    )


def _new_token(workspace_id: UUID) -> str:
    return TOKEN_PREFIX + base64.urlsafe_b64encode(workspace_id.bytes + secrets.token_bytes(_SECRET_BYTES)).decode()


def _workspace_named_by(token: str) -> UUID:
    if len(token) != _TOKEN_LENGTH or not token.startswith(TOKEN_PREFIX):
        raise InvalidInvitation
    try:
        content = base64.b64decode(token.removeprefix(TOKEN_PREFIX).encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise InvalidInvitation from exc
    return UUID(bytes=content[:16])
