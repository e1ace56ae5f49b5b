"""Changing one's password, name and address; and the operator's way in for those who have lost theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.accounts import event_queries, factor_queries, queries, session_queries, throttle
from expenses.accounts.factors import WrongPassword
from expenses.accounts.model import EmailTaken, User, check_password, parse_email, parse_name
from expenses.accounts.passwords import hash_password
from expenses.accounts.proof import prove_password
from expenses.db import transaction
from expenses.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session


async def change_password(
    session: Session, *, actor: Actor, old: str, new: str, keep_tokens: bool, now: datetime
) -> None:
    """Give the actor another password, committed. All page sessions end, except the one that asks.

    So do API tokens, except the one that asks, unless they are to be kept: people change a password because somebody
    else may know it, and who knows it can have made a token.

    Raises:
        WrongPassword: `old` is not the password (any more: somebody may have been faster); carries its field.
        Invalid: `new` cannot be a password; carries its field.
        TooManyAttempts, Busy: As for a sign-in.
    """
    check_password(new, field="new_password")
    found = await prove_password(session, actor=actor, password=old, now=now, field="old_password")
    new_hash = await hash_password(new)
    async with transaction(session):
        if not await queries.replace_password_hash(
            session, user_id=actor.user_id, old_hash=found.password_hash, new_hash=new_hash
        ):
            raise WrongPassword(field="old_password")
        await _end_all(session, actor.user_id, now, keep_tokens=keep_tokens, except_id=actor.credential_id)
        await event_queries.insert_event(session, user_id=actor.user_id, kind="password_changed", now=now)


async def change_profile(
    session: Session,
    *,
    actor: Actor,
    display_name: str | None = None,
    email: str | None = None,
    password: str | None = None,
    now: datetime,
) -> User:
    """Give the actor another name or address, committed; what is None stays. An address needs the password.

    Raises:
        Invalid: The name or the address cannot be used.
        WrongPassword: The address is another one, and this is not the password.
        EmailTaken: Somebody, perhaps at this very moment, has this address.
        TooManyAttempts, Busy: As for a sign-in; or too many addresses were tried.
    """
    name = parse_name(display_name, field="display_name") if display_name is not None else actor.display_name
    address = parse_email(email) if email is not None else actor.email
    if address != actor.email:
        await throttle.count_attempt(session, limit=throttle.NEW_EMAIL, subject=str(actor.user_id), now=now)
        await prove_password(session, actor=actor, password=password or "", now=now)
    async with transaction(session):
        user = await queries.update_user(session, user_id=actor.user_id, display_name=name, email=address)
        if user is None:
            raise EmailTaken(field="email")
        if address != actor.email:
            await event_queries.insert_event(
                session, user_id=actor.user_id, kind="email_changed", detail=actor.email, now=now
            )
    return user


async def reset_password(session: Session, *, email: str, password: str, now: datetime) -> User:
    """Give somebody another password without any proof, as whoever runs the service may. Ends sessions and tokens.

    The second factor stays: `factor_service.reset` is the way out of that.

    Raises:
        Invalid: It is not an e-mail address, or cannot be a password.
        NotFound: Nobody has this address.
    """
    check_password(password)
    found = await queries.credentials_of(session, email=parse_email(email))
    if found is None:
        raise NotFound("There is no account with this e-mail address.")
    new_hash = await hash_password(password)
    async with transaction(session):
        await queries.store_password_hash(session, user_id=found.user.id, password_hash=new_hash)
        await _end_all(session, found.user.id, now)
        await event_queries.insert_event(session, user_id=found.user.id, kind="password_reset", now=now)
    return found.user


async def _end_all(
    session: Session, user_id: UUID, now: datetime, *, keep_tokens: bool = False, except_id: UUID | None = None
) -> None:
    await session_queries.end_sessions_of(session, user_id=user_id, except_id=except_id, now=now)
    await factor_queries.delete_steps_of(session, user_id=user_id)
    if not keep_tokens:
        await session_queries.revoke_tokens_of(session, user_id=user_id, except_id=except_id, now=now)
