"""Proving who one is: by password, by a code of the second factor. Every attempt is counted before it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.accounts import event_queries, factor_queries, queries, throttle, totp
from expenses.accounts.factors import WrongCode, WrongPassword
from expenses.accounts.model import (
    EMAIL_MAX_LENGTH,
    Busy,
    Credentials,
    WrongCredentials,
    is_possible_password,
    parse_email,
)
from expenses.accounts.passwords import verify_password
from expenses.accounts.tokens import recovery_code_hash
from expenses.errors import Invalid
from expenses.isolation import act_as

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor, User
    from expenses.db import Session

_CODE_MAX_LENGTH = 64
"""Characters; a recovery code has 19 with its dashes, and people add spaces."""


async def verified_account(
    session: Session, *, email: str, password: str, client_address: str | None, now: datetime
) -> tuple[Credentials, str | None]:
    """The account that a stranger has named, with the right password; and a better hash of it, if one is due.

    From now on the session works for whoever that is.

    Raises:
        WrongCredentials: No such account, wrong password, or disabled; which of them, neither words nor time tell.
        TooManyAttempts: For this account or from this address.
        Busy: Too many passwords are being checked.
    """
    network, name = throttle.network_of(client_address), _throttled_name(email)
    await throttle.count_attempt(session, limit=throttle.ADDRESS, subject=network, now=now)
    await throttle.count_attempt(session, limit=throttle.ACCOUNT, subject=name, now=now)
    if not is_possible_password(password):  # true of no account, so saying so at once tells nothing
        raise WrongCredentials
    found = await _credentials(session, email)
    try:
        matches, better_hash = await verify_password(password, found.password_hash if found else None)
    except Busy:  # nobody looked at it: else a flood of strangers would lock out whoever only tries again
        await throttle.forgive_attempt(session, limit=throttle.ADDRESS, subject=network)
        await throttle.forgive_attempt(session, limit=throttle.ACCOUNT, subject=name)
        raise
    if found is None or not matches or found.is_disabled:
        raise WrongCredentials
    await act_as(session, found.user.id)
    return found, better_hash


async def welcome(
    session: Session, *, user: User, better_hash: str | None, client_address: str | None, now: datetime
) -> None:
    """Forgive the attempts of somebody whose password was right, and clear away what of theirs has expired."""
    network = throttle.network_of(client_address)
    await throttle.forgive_attempt(session, limit=throttle.ADDRESS, subject=network)
    await throttle.forgive_all(session, limit=throttle.ACCOUNT, subject=_throttled_name(user.email), now=now)
    await queries.forget_expired(session, user_id=user.id, now=now)
    await event_queries.forget_old_events(session, user_id=user.id)
    if better_hash is not None:
        await queries.store_password_hash(session, user_id=user.id, password_hash=better_hash)


async def prove_password(
    session: Session, *, actor: Actor, password: str, now: datetime, field: str = "password"
) -> Credentials:
    """Let somebody who is signed in say the password once more: a lost phone or a stolen token cannot.

    Raises:
        WrongPassword: It is not the actor's; carries `field`.
        TooManyAttempts, Busy: As for a sign-in, and counted together with those.
    """
    await throttle.count_attempt(session, limit=throttle.ACCOUNT, subject=_throttled_name(actor.email), now=now)
    found = await queries.credentials_of_user(session, user_id=actor.user_id)
    if found is None or not is_possible_password(password):
        raise WrongPassword(field=field)
    try:
        matches, _ = await verify_password(password, found.password_hash)
    except Busy:  # as above
        await throttle.forgive_attempt(session, limit=throttle.ACCOUNT, subject=_throttled_name(actor.email))
        raise
    if not matches:
        raise WrongPassword(field=field)
    await throttle.forgive_attempt(session, limit=throttle.ACCOUNT, subject=_throttled_name(actor.email))
    return found


async def prove_code(session: Session, *, user_id: UUID, code: str, now: datetime) -> None:
    """Use up a code of the app, or a recovery code. Outside of any transaction: used is used.

    Raises:
        WrongCode: It is wrong, was used before, or there is no second factor.
        TooManyAttempts: For this account, on whatever way.
    """
    await throttle.count_attempt(session, limit=throttle.SECOND_FACTOR, subject=str(user_id), now=now)
    text = "".join(code.split()) if len(code) <= _CODE_MAX_LENGTH else ""
    takes = _takes_code if totp.is_code(text) else _takes_recovery_code
    if not await takes(session, user_id, text, now):
        await event_queries.insert_event(session, user_id=user_id, kind="second_factor_refused", now=now)
        raise WrongCode(field="code")
    await throttle.forgive_attempt(session, limit=throttle.SECOND_FACTOR, subject=str(user_id))


async def _takes_code(session: Session, user_id: UUID, code: str, now: datetime) -> bool:
    factor = await factor_queries.factor_of(session, user_id=user_id)
    step = totp.matching_step(factor.secret, code, now=now) if factor and factor.enabled_at else None
    return step is not None and await factor_queries.take_step(session, user_id=user_id, step=step)


async def _takes_recovery_code(session: Session, user_id: UUID, code: str, now: datetime) -> bool:
    code_hash = recovery_code_hash(code)
    if not await factor_queries.use_recovery_code(session, user_id=user_id, code_hash=code_hash, now=now):
        return False
    await event_queries.insert_event(session, user_id=user_id, kind="recovery_code_used", now=now)
    return True


async def _credentials(session: Session, email: str) -> Credentials | None:
    try:
        address = parse_email(email)
    except Invalid:
        return None
    return await queries.credentials_of(session, email=address)


def _throttled_name(email: str) -> str:
    return email.strip().lower()[:EMAIL_MAX_LENGTH]
