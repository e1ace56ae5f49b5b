"""Making accounts, signing in and out. What a person does with tokens and sessions later: `token_service`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from expenses.accounts import event_queries, queries, throttle
from expenses.accounts.devices import UNKNOWN
from expenses.accounts.model import (
    EMAIL_MAX_LENGTH,
    NAME_MAX_LENGTH,
    Actor,
    Candidate,
    Credentials,
    EmailTaken,
    NewSession,
    NewToken,
    User,
    WrongCredentials,
    check_password,
    is_possible_password,
    parse_email,
    parse_name,
)
from expenses.accounts.passwords import hash_password, verify_password
from expenses.accounts.token_service import TOKEN_LIFETIME, parse_scopes
from expenses.accounts.tokens import new_api_token, new_session_token, token_hash
from expenses.db import transaction
from expenses.errors import Invalid
from expenses.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from expenses.db import Session

SESSION_LIFETIME = timedelta(days=30)
"""How long a browser stays signed in; counted from the sign-in, not from the last visit."""

NOTE_USE_EVERY = timedelta(minutes=1)
"""How exact a token's time of last use is: one write a minute, however many requests."""

NOTE_VISIT_EVERY = timedelta(minutes=10)
"""How exact a session's time of last visit is; it is there to tell a forgotten browser from one in use."""


async def register(session: Session, *, email: str, password: str, display_name: str | None, now: datetime) -> User:
    """A new account, committed. It belongs to no workspace: `workspaces.service.sign_up` makes both.

    Raises:
        Invalid: The e-mail address, the password or the name cannot be used.
        EmailTaken: Somebody, perhaps at this very moment, has registered this address.
        Busy: Too many passwords are being hashed.
    """
    candidate = await candidate_for(email=email, password=password, display_name=display_name, now=now)
    async with transaction(session):
        return await add_user(session, candidate=candidate)


async def candidate_for(*, email: str, password: str, display_name: str | None, now: datetime) -> Candidate:
    """What `add_user` stores, checked and hashed: the slow part, so done before the transaction.

    Without a display name it is what stands before the @.

    Raises:
        Invalid: The e-mail address, the password or the name cannot be used.
        Busy: Too many passwords are being hashed.
    """
    address = parse_email(email)
    check_password(password)
    name = parse_name(display_name or address.partition("@")[0][:NAME_MAX_LENGTH], field="display_name")
    user = User(id=uuid7(now), email=address, display_name=name, created_at=now)
    return Candidate(user=user, password_hash=await hash_password(password))


async def add_user(session: Session, *, candidate: Candidate) -> User:
    """Store a new account inside the caller's transaction.

    Raises:
        EmailTaken: Somebody has this e-mail address.
    """
    if not await queries.insert_user(session, candidate=candidate):
        raise EmailTaken(field="email")
    return candidate.user


async def sign_in(
    session: Session, *, email: str, password: str, client_address: str | None, now: datetime, device: str = UNKNOWN
) -> NewSession:
    """A session for a browser, committed; its token goes into the cookie (`accounts.auth.set_session_cookie`).

    `device` is what its owner will recognise the browser by (`accounts.devices`).

    Raises:
        WrongCredentials: No such account, wrong password, or disabled; which of them, neither words nor time tell.
        TooManyAttempts: For this account or from this address.
        Busy: Too many passwords are being checked.
    """
    user, better_hash = await _verified(session, email, password, client_address, now)
    new = NewSession(new_session_token(), new_session_token(), expires_at=now + SESSION_LIFETIME)
    async with transaction(session):
        await _welcome(session, user, better_hash, client_address, now)
        await queries.insert_session(
            session,
            session_id=uuid7(now),
            user_id=user.id,
            token_hash=token_hash(new.token),
            new=new,
            device=device,
            now=now,
        )
        await event_queries.insert_event(session, user_id=user.id, kind="signed_in", detail=device, now=now)
    return new


async def issue_token(
    session: Session,
    *,
    email: str,
    password: str,
    client_address: str | None,
    name: str,
    now: datetime,
    scopes: Collection[str] = (),
) -> NewToken:
    """An API token for whoever knows the password, committed.

    Raises:
        Invalid: The token's name cannot be used, or a scope is unknown.
        WrongCredentials, TooManyAttempts, Busy: As `sign_in`.
    """
    name, granted = parse_name(name, field="client_id"), parse_scopes(scopes)
    user, better_hash = await _verified(session, email, password, client_address, now)
    new = NewToken(new_api_token(), granted, expires_at=now + TOKEN_LIFETIME)
    async with transaction(session):
        await _welcome(session, user, better_hash, client_address, now)
        await queries.insert_token(
            session, token_id=uuid7(now), user_id=user.id, name=name, token_hash=token_hash(new.token), new=new, now=now
        )
        await event_queries.insert_event(session, user_id=user.id, kind="token_made", detail=name, now=now)
    return new


async def actor_of_token(session: Session, *, token: str, now: datetime) -> Actor | None:
    """Who holds this API token; nobody when it is unknown, expired or revoked, or its account disabled."""
    found = await queries.holder_of_token(session, token_hash=token_hash(token), now=now)
    if found is None:
        return None
    actor, last_used_at = found
    if last_used_at is None or last_used_at <= now - NOTE_USE_EVERY:
        await queries.note_use_of_token(
            session, token_hash=token_hash(token), unless_since=now - NOTE_USE_EVERY, now=now
        )
    return actor


async def actor_of_session(session: Session, *, token: str, now: datetime) -> Actor | None:
    """Whose page session this is; nobody's when it is unknown, expired or revoked, or its account disabled."""
    found = await queries.holder_of_session(session, token_hash=token_hash(token), now=now)
    if found is None:
        return None
    actor, last_seen_at = found
    since = now - NOTE_VISIT_EVERY
    if actor.credential_id is not None and (last_seen_at is None or last_seen_at <= since):
        await queries.note_visit(session, session_id=actor.credential_id, unless_since=since, now=now)
    return actor


async def sign_out(session: Session, *, token: str, now: datetime) -> None:
    """End the page session with this token; nothing happens when there is none."""
    await queries.revoke_session(session, token_hash=token_hash(token), now=now)


async def _verified(
    session: Session, email: str, password: str, client_address: str | None, now: datetime
) -> tuple[User, str | None]:
    network, name = throttle.network_of(client_address), _throttled_name(email)
    await throttle.count_attempt(session, limit=throttle.ADDRESS, subject=network, now=now)
    await throttle.count_attempt(session, limit=throttle.ACCOUNT, subject=name, now=now)
    if not is_possible_password(password):  # true of no account, so saying so at once tells nothing
        raise WrongCredentials
    found = await _credentials(session, email)
    matches, better_hash = await verify_password(password, found.password_hash if found else None)
    if found is None or not matches or found.is_disabled:
        raise WrongCredentials
    return found.user, better_hash


async def _credentials(session: Session, email: str) -> Credentials | None:
    try:
        address = parse_email(email)
    except Invalid:
        return None
    return await queries.credentials_of(session, email=address)


async def _welcome(
    session: Session, user: User, better_hash: str | None, client_address: str | None, now: datetime
) -> None:
    network = throttle.network_of(client_address)
    await throttle.forgive_attempt(session, limit=throttle.ADDRESS, subject=network)
    await throttle.forgive_all(session, limit=throttle.ACCOUNT, subject=_throttled_name(user.email), now=now)
    await queries.forget_expired(session, user_id=user.id, now=now)
    await event_queries.forget_old_events(session, user_id=user.id)
    if better_hash is not None:
        await queries.store_password_hash(session, user_id=user.id, password_hash=better_hash)


def _throttled_name(email: str) -> str:
    return email.strip().lower()[:EMAIL_MAX_LENGTH]
