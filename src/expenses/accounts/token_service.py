"""A person's own API tokens and page sessions: making, listing, ending them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.accounts import event_queries, queries, session_queries
from expenses.accounts.model import (
    ALL_SCOPES,
    DEFAULT_SCOPES,
    AccountEvent,
    Actor,
    NewToken,
    OpenSession,
    Scope,
    ScopeExceeded,
    Token,
    TooManyTokens,
    parse_name,
)
from expenses.accounts.tokens import new_api_token, token_hash
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import Invalid, NotFound
from expenses.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from expenses.db import Session

TOKEN_LIFETIME = timedelta(days=30)
"""How long an API token is valid unless its maker says otherwise, or revokes it."""

LIFETIME_MAX_DAYS = 365
"""Nobody remembers a token for longer, and whoever finds it should not have longer."""

TOKENS_MAX = 100
"""Valid tokens of one person, above which no more can be made by `create_token`: the list stays readable."""

PAGE_SIZE = 50
"""Rows of a page of a person's tokens, sessions or events, unless somebody says how many."""

LARGEST_PAGE_SIZE = 200


def parse_scopes(names: Collection[str]) -> frozenset[Scope]:
    """The scopes with these names; those that most programs need (`DEFAULT_SCOPES`) when none is named.

    Raises:
        Invalid: One of them is not a scope.
    """
    granted = frozenset(scope for scope in ALL_SCOPES if scope in names)
    if len(granted) != len(set(names)):
        raise Invalid("The scopes are `read`, `write` and `admin`.", field="scope")
    return granted or DEFAULT_SCOPES


async def create_token(
    session: Session, *, actor: Actor, name: str, scopes: Collection[str], days: int | None, now: datetime
) -> tuple[Token, NewToken]:
    """A named API token for whoever is signed in, committed; the second part is to be shown once.

    One that is made with a token may do less than that token, ends no later, and is revoked with it.

    Raises:
        Invalid: The name or the number of days cannot be used, or a scope is unknown.
        ScopeExceeded: The actor is a token without these scopes, or it asks for `admin`.
        TooManyTokens: There are `TOKENS_MAX` already.
    """
    name, granted = parse_name(name, field="name"), parse_scopes(scopes)
    expires_at = _end_of(days, actor=actor, now=now)
    if actor.via == "token" and not granted <= actor.scopes - {"admin"}:
        raise ScopeExceeded(field="scopes")
    new, token_id = NewToken(new_api_token(), granted, expires_at), uuid7(now)
    async with transaction(session):
        if await session_queries.number_of_tokens(session, user_id=actor.user_id, now=now) >= TOKENS_MAX:
            raise TooManyTokens
        await queries.forget_expired(session, user_id=actor.user_id, now=now)
        await event_queries.forget_old_events(session, user_id=actor.user_id)
        await queries.insert_token(
            session,
            token_id=token_id,
            user_id=actor.user_id,
            name=name,
            token_hash=token_hash(new.token),
            new=new,
            now=now,
            made_by=actor.credential_id if actor.via == "token" else None,
        )
        await event_queries.insert_event(session, user_id=actor.user_id, kind="token_made", detail=name, now=now)
    return Token(token_id, name, tuple(sorted(granted)), now, expires_at, None), new


def _end_of(days: int | None, *, actor: Actor, now: datetime) -> datetime:
    if days is not None and not 1 <= days <= LIFETIME_MAX_DAYS:
        raise Invalid(f"A token is valid for 1 to {LIFETIME_MAX_DAYS} days.", field="expires_in_days")
    wanted = now + (TOKEN_LIFETIME if days is None else timedelta(days=days))
    if actor.via == "session" or actor.expires_at is None or wanted <= actor.expires_at:
        return wanted
    if days is not None:
        raise Invalid("A token made with a token cannot outlive it.", field="expires_in_days")
    return actor.expires_at


async def list_tokens(
    session: Session, *, actor: Actor, now: datetime, limit: int = PAGE_SIZE, cursor: str | None = None
) -> Page[Token]:
    """A page of the actor's valid API tokens, newest first.

    Raises:
        InvalidCursor: The cursor is not one of this list.
    """
    listing: Listing[Token] = Listing(f"tokens {actor.user_id}", (UUID,), lambda each: (each.id,))
    (before,) = listing.key_in(cursor or None) or (None,)
    found = await session_queries.tokens_of(session, user_id=actor.user_id, now=now, before=before, limit=limit + 1)
    return listing.page(found, limit=limit)


async def revoke_token(session: Session, *, actor: Actor, token_id: UUID, now: datetime) -> None:
    """Make one of the actor's tokens useless, for example that of a lost phone, and those that were made with it.

    Raises:
        NotFound: The actor has no such valid token.
    """
    async with transaction(session):
        name = await session_queries.revoke_token_of(session, user_id=actor.user_id, token_id=token_id, now=now)
        if name is None:
            raise NotFound
        await event_queries.insert_event(session, user_id=actor.user_id, kind="token_revoked", detail=name, now=now)


async def list_sessions(
    session: Session, *, actor: Actor, now: datetime, limit: int = PAGE_SIZE, cursor: str | None = None
) -> Page[OpenSession]:
    """A page of the actor's open page sessions, newest first.

    Raises:
        InvalidCursor: The cursor is not one of this list.
    """
    listing: Listing[OpenSession] = Listing(f"sessions {actor.user_id}", (UUID,), lambda each: (each.id,))
    (before,) = listing.key_in(cursor or None) or (None,)
    found = await session_queries.sessions_of(session, user_id=actor.user_id, now=now, before=before, limit=limit + 1)
    return listing.page(found, limit=limit)


async def end_session(session: Session, *, actor: Actor, session_id: UUID, now: datetime) -> None:
    """Sign one of the actor's browsers out.

    Raises:
        NotFound: The actor has no such open session.
    """
    async with transaction(session):
        device = await session_queries.end_session_of(session, user_id=actor.user_id, session_id=session_id, now=now)
        if device is None:
            raise NotFound
        await event_queries.insert_event(session, user_id=actor.user_id, kind="session_ended", detail=device, now=now)


async def end_other_sessions(session: Session, *, actor: Actor, now: datetime) -> int:
    """Sign all of the actor's browsers out, except the one that asks. Returns how many there were."""
    async with transaction(session):
        ended = await session_queries.end_sessions_of(
            session, user_id=actor.user_id, except_id=actor.credential_id, now=now
        )
        if ended:
            await event_queries.insert_event(session, user_id=actor.user_id, kind="other_sessions_ended", now=now)
    return ended


async def list_events(
    session: Session, *, actor: Actor, limit: int = PAGE_SIZE, cursor: str | None = None
) -> Page[AccountEvent]:
    """A page of what happened to the actor's account, newest first.

    Raises:
        InvalidCursor: The cursor is not one of this list.
    """
    listing: Listing[AccountEvent] = Listing(f"events {actor.user_id}", (UUID,), lambda each: (each.id,))
    (before,) = listing.key_in(cursor or None) or (None,)
    found = await event_queries.events_of(session, user_id=actor.user_id, before=before, limit=limit + 1)
    return listing.page(found, limit=limit)
