"""Making workspaces and changing what holds for all their expenses. Members are in `member_service`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.accounts import service as accounts
from expenses.accounts import throttle
from expenses.accounts.model import parse_name
from expenses.audit.model import event_about, event_of
from expenses.audit.queries import insert_audit_events
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import NotFound
from expenses.ids import uuid7
from expenses.isolation import enter
from expenses.money import currency_in_use
from expenses.versions import check_version
from expenses.workspaces import queries
from expenses.workspaces.model import (
    MOST_WORKSPACES,
    BaseCurrencyInUse,
    Membership,
    TooManyWorkspaces,
    Workspace,
    parse_time_zone,
)
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from datetime import datetime

    from expenses.accounts.model import Actor, User
    from expenses.db import Session
    from expenses.workspaces.model import Kind, WorkspaceChange

DEFAULT_NAME = "Home"
"""Name of the workspace that everybody gets with their account."""


async def sign_up(
    session: Session,
    *,
    email: str,
    password: str,
    display_name: str | None,
    now: datetime,
    workspace_name: str = DEFAULT_NAME,
    client_address: str | None = None,
) -> tuple[User, Membership]:
    """A new account with a workspace of its own, committed together.

    Whether registration is open is the caller's question (`accounts.auth.require_open_registration`). Attempts are
    counted for `client_address`, and not at all without one: when the operator makes the account.

    Raises:
        Invalid: The e-mail address, the password or a name cannot be used.
        EmailTaken: Somebody, perhaps at this very moment, has registered this address.
        TooManyAttempts: From this address.
        Busy: Too many passwords are being hashed.
    """
    new = _workspace(name=workspace_name, kind="household", base_currency="EUR", time_zone="UTC", now=now)
    if client_address is not None:
        network = throttle.network_of(client_address)
        await throttle.count_attempt(session, limit=throttle.REGISTRATION, subject=network, now=now)
    candidate = await accounts.candidate_for(email=email, password=password, display_name=display_name, now=now)
    async with transaction(session):
        user = await accounts.add_user(session, candidate=candidate)
        return user, await _add_workspace(session, new, owner_id=user.id, now=now)


async def create_workspace(
    session: Session, *, actor: Actor, name: str, kind: Kind, base_currency: str, time_zone: str, now: datetime
) -> Membership:
    """Another workspace, committed; the actor owns it.

    Raises:
        Invalid: The name, the currency or the time zone cannot be used.
        TooManyWorkspaces: The actor has as many as one can.
    """
    new = _workspace(name=name, kind=kind, base_currency=base_currency, time_zone=time_zone, now=now)
    async with transaction(session):
        if len(await queries.memberships_of(session, user_id=actor.user_id)) >= MOST_WORKSPACES:
            raise TooManyWorkspaces
        return await _add_workspace(session, new, owner_id=actor.user_id, now=now)


async def list_memberships(session: Session, *, actor: Actor) -> list[Membership]:
    """The workspaces that the actor belongs to, oldest first, each with the actor's role."""
    return await queries.memberships_of(session, user_id=actor.user_id)


async def memberships_on_page(
    session: Session, *, actor: Actor, limit: int, cursor: str | None = None
) -> Page[Membership]:
    """A page of `list_memberships`. Raises `InvalidCursor` for a cursor that is not one of this list."""
    listing: Listing[Membership] = Listing(f"workspaces {actor.user_id}", (UUID,), lambda each: (each.workspace.id,))
    (after,) = listing.key_in(cursor) or (None,)
    found = await queries.memberships_of(session, user_id=actor.user_id, after=after, limit=limit + 1)
    return listing.page(found, limit=limit)


async def get_workspace(session: Session, *, actor: Actor, workspace_id: UUID) -> Membership:
    """One of the actor's workspaces. Raises `NotFound` for strangers."""
    return await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_WORKSPACE)


async def change_workspace(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    change: WorkspaceChange,
    expected: str | None = None,
    now: datetime,
) -> Membership:
    """The workspace as it is afterwards.

    The base currency can change only while nothing was ever recorded, trash included: what is converted for an
    expense is frozen in it, and totals of two base currencies cannot be compared.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may not.
        PreconditionFailed: The workspace has another version than the expected one.
        Invalid: The name, the currency or the time zone cannot be used.
        BaseCurrencyInUse: There are expenses.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_WORKSPACE)
    async with transaction(session):
        before = await queries.locked_workspace(
            session, workspace_id=workspace_id, against_expenses=change.base_currency is not None
        )
        check_version(expected, replace(membership, workspace=before).snapshot())
        after = _changed(before, change, now=now)
        if after.base_currency != before.base_currency and await queries.has_expenses(
            session, workspace_id=workspace_id
        ):
            raise BaseCurrencyInUse(field="base_currency")
        if after != before:
            await queries.store_workspace(session, changed=after)
            event = event_of("change", before=before, after=after, actor_id=actor.user_id, now=now)
            await insert_audit_events(session, workspace_id=workspace_id, new=[event])
    return replace(membership, workspace=after)


async def membership_of(session: Session, *, user_id: UUID, workspace_id: UUID) -> Membership:
    """How somebody, not necessarily who asks, belongs to a workspace; whether the asker may is for `authorize`.

    Raises:
        NotFound: They do not belong to it, or there is no such workspace; strangers cannot tell which.
    """
    found = await queries.membership_in(session, user_id=user_id, workspace_id=workspace_id)
    if found is None:
        raise NotFound
    return found


def _workspace(*, name: str, kind: Kind, base_currency: str, time_zone: str, now: datetime) -> Workspace:
    return Workspace(
        id=uuid7(now),
        name=parse_name(name, field="name"),
        kind=kind,
        base_currency=currency_in_use(base_currency, on=now.date(), field="base_currency").code,
        time_zone=parse_time_zone(time_zone),
        created_at=now,
    )


def _changed(before: Workspace, change: WorkspaceChange, *, now: datetime) -> Workspace:
    base = change.base_currency
    if base is not None and base != before.base_currency:  # one that is withdrawn by now may stay
        currency_in_use(base, on=now.date(), field="base_currency")
    return replace(
        before,
        name=before.name if change.name is None else parse_name(change.name, field="name"),
        kind=change.kind or before.kind,
        base_currency=before.base_currency if base is None else base,
        time_zone=before.time_zone if change.time_zone is None else parse_time_zone(change.time_zone),
    )


async def _add_workspace(session: Session, new: Workspace, *, owner_id: UUID, now: datetime) -> Membership:
    await enter(session, new.id)
    await queries.insert_workspace(session, new=new)
    await queries.insert_membership(session, workspace_id=new.id, user_id=owner_id, role="owner", now=now)
    joined = {"user_id": str(owner_id), "role": "owner"}
    events = [
        event_of("create", before=None, after=new, actor_id=owner_id, now=now),
        event_about("member", owner_id, "join", before=None, after=joined, actor_id=owner_id, now=now),
    ]
    await insert_audit_events(session, workspace_id=new.id, new=events)
    return Membership(workspace=new, user_id=owner_id, role="owner")
