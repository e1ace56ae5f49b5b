"""Making accounts, signing in and out. What a person does with tokens and sessions later: `token_service`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from expenses.accounts import event_queries, factor_queries, proof, queries
from expenses.accounts.devices import UNKNOWN
from expenses.accounts.factors import SecondFactorRequired, SignInExpired, WrongCode, WrongSecondFactor
from expenses.accounts.model import (
    NAME_MAX_LENGTH,
    Actor,
    Candidate,
    EmailTaken,
    NewSession,
    NewToken,
    User,
    check_password,
    parse_email,
    parse_name,
)
from expenses.accounts.passwords import hash_password
from expenses.accounts.token_service import TOKEN_LIFETIME, parse_scopes
from expenses.accounts.tokens import new_api_token, new_session_token, token_hash
from expenses.db import transaction
from expenses.ids import uuid7
from expenses.isolation import act_as

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session

SESSION_LIFETIME = timedelta(days=30)
"""How long a browser stays signed in; counted from the sign-in, not from the last visit."""

STEP_LIFETIME = timedelta(minutes=10)
"""Time to find the phone, between the password and the code."""

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
    await act_as(session, candidate.user.id)
    if not await queries.insert_user(session, candidate=candidate):
        raise EmailTaken(field="email")
    return candidate.user


async def sign_in(
    session: Session, *, email: str, password: str, client_address: str | None, now: datetime, device: str = UNKNOWN
) -> NewSession:
    """A session for a browser, committed; its token goes into the cookie (`accounts.auth.set_session_cookie`).

    `device` is what its owner will recognise the browser by (`accounts.devices`).

    Raises:
        SecondFactorRequired: The account wants a code too; carries what `finish_sign_in` asks for with it.
        WrongCredentials, TooManyAttempts, Busy: As `proof.verified_account`.
    """
    found, better_hash = await proof.verified_account(
        session, email=email, password=password, client_address=client_address, now=now
    )
    new = NewSession(new_session_token(), new_session_token(), expires_at=now + SESSION_LIFETIME)
    async with transaction(session):
        await proof.welcome(session, user=found.user, better_hash=better_hash, client_address=client_address, now=now)
        if not found.has_second_factor:
            await _open_session(session, found.user.id, new, device, now)
            return new
        step_token = new_session_token()
        await factor_queries.insert_step(
            session, token_hash=token_hash(step_token), user_id=found.user.id, expires_at=now + STEP_LIFETIME
        )
    raise SecondFactorRequired(step_token)


async def finish_sign_in(
    session: Session, *, step_token: str, code: str, now: datetime, device: str = UNKNOWN
) -> NewSession:
    """The session of somebody whose password `sign_in` has seen, and who now says the code, committed.

    Raises:
        SignInExpired: The password was said too long ago, or changed since.
        WrongSecondFactor: The code is wrong or was used before. The next one may be tried with the same `step_token`.
        TooManyAttempts: For this account.
    """
    user_id = await factor_queries.holder_of_step(session, token_hash=token_hash(step_token), now=now)
    if user_id is None:
        raise SignInExpired
    await act_as(session, user_id)
    await _prove_second_factor(session, user_id, code, now)
    new = NewSession(new_session_token(), new_session_token(), expires_at=now + SESSION_LIFETIME)
    async with transaction(session):
        if not await factor_queries.delete_step(session, token_hash=token_hash(step_token)):
            raise SignInExpired
        await _open_session(session, user_id, new, device, now)
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
    code: str | None = None,
) -> NewToken:
    """An API token for whoever knows the password, and the code if the account wants one, committed.

    Raises:
        Invalid: The token's name cannot be used, or a scope is unknown.
        SecondFactorRequired: The password is right, and a `code` is needed too.
        WrongSecondFactor: The code is wrong or was used before.
        WrongCredentials, TooManyAttempts, Busy: As `proof.verified_account`.
    """
    name, granted = parse_name(name, field="client_id"), parse_scopes(scopes)
    found, better_hash = await proof.verified_account(
        session, email=email, password=password, client_address=client_address, now=now
    )
    user = found.user
    if found.has_second_factor:
        if not code:
            raise SecondFactorRequired
        await _prove_second_factor(session, user.id, code, now)
    new = NewToken(new_api_token(), granted, expires_at=now + TOKEN_LIFETIME)
    async with transaction(session):
        await proof.welcome(session, user=user, better_hash=better_hash, client_address=client_address, now=now)
        await queries.insert_token(
            session, token_id=uuid7(now), user_id=user.id, name=name, token_hash=token_hash(new.token), new=new, now=now
        )
        await event_queries.insert_event(session, user_id=user.id, kind="token_made", detail=name, now=now)
    return new


async def actor_of_token(
    session: Session, *, token: str, workspace_id: UUID | None = None, now: datetime
) -> Actor | None:
    """Who holds this API token; nobody when it is unknown, expired or revoked, or its account disabled.

    And, in the same query, how they belong to this workspace.
    """
    found = await queries.holder_of_token(session, token_hash=token_hash(token), workspace_id=workspace_id, now=now)
    if found is None:
        return None
    actor, last_used_at = found
    if last_used_at is None or last_used_at <= now - NOTE_USE_EVERY:
        await queries.note_use_of_token(
            session, token_hash=token_hash(token), unless_since=now - NOTE_USE_EVERY, now=now
        )
    return actor


async def actor_of_session(
    session: Session, *, token: str, workspace_id: UUID | None = None, now: datetime
) -> Actor | None:
    """Whose page session this is, as `actor_of_token`."""
    found = await queries.holder_of_session(session, token_hash=token_hash(token), workspace_id=workspace_id, now=now)
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


async def _prove_second_factor(session: Session, user_id: UUID, code: str, now: datetime) -> None:
    try:
        await proof.prove_code(session, user_id=user_id, code=code, now=now)
    except WrongCode as exc:
        raise WrongSecondFactor(field="code") from exc


async def _open_session(session: Session, user_id: UUID, new: NewSession, device: str, now: datetime) -> None:
    await queries.insert_session(
        session,
        session_id=uuid7(now),
        user_id=user_id,
        token_hash=token_hash(new.token),
        new=new,
        device=device,
        now=now,
    )
    await event_queries.insert_event(session, user_id=user_id, kind="signed_in", detail=device, now=now)
