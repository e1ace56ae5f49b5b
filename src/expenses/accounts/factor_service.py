"""A person's second factor: turning it on and off, and the codes for the day the phone is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from expenses.accounts import event_queries, factor_queries, queries, throttle, totp
from expenses.accounts.factors import FactorStatus, NewFactor, SecondFactorState, WrongCode
from expenses.accounts.model import parse_email
from expenses.accounts.proof import prove_code, prove_password
from expenses.accounts.tokens import new_factor_secret, new_recovery_codes, recovery_code_hash
from expenses.db import transaction
from expenses.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session

BEGUN_FOR = timedelta(minutes=15)
"""How long a secret waits for its first code."""


async def status(session: Session, *, actor: Actor) -> FactorStatus:
    """Whether the actor's second factor is on, and how many recovery codes are left."""
    found = await factor_queries.factor_of(session, user_id=actor.user_id)
    left = await factor_queries.recovery_codes_left(session, user_id=actor.user_id)
    return FactorStatus(found.enabled_at if found else None, left)


async def begin(session: Session, *, actor: Actor, password: str, now: datetime) -> NewFactor:
    """A fresh secret for the actor's app, to be shown once. It counts when `enable` has seen a code of it.

    Raises:
        WrongPassword, TooManyAttempts, Busy: As `prove_password`.
        SecondFactorState: It is on already.
    """
    await prove_password(session, actor=actor, password=password, now=now)
    secret = new_factor_secret()
    async with transaction(session):
        if not await factor_queries.begin_factor(session, user_id=actor.user_id, secret=secret, now=now):
            raise SecondFactorState
    return NewFactor(totp.secret_text(secret), totp.enrolment_address(secret, account=actor.email))


async def enable(session: Session, *, actor: Actor, code: str, now: datetime) -> list[str]:
    """Turn the second factor on, since this code shows that the app has the secret. Returns the recovery codes, once.

    Raises:
        WrongCode: It is not a code of the secret that was begun.
        SecondFactorState: It is on already, was not begun, or that was too long ago.
        TooManyAttempts: For this account.
    """
    await throttle.count_attempt(session, limit=throttle.SECOND_FACTOR, subject=str(actor.user_id), now=now)
    found = await factor_queries.factor_of(session, user_id=actor.user_id)
    if found and found.enabled_at:
        raise SecondFactorState
    if found is None or found.created_at <= now - BEGUN_FOR:
        raise SecondFactorState("There is nothing to confirm, or it has waited too long; begin again.")
    step = totp.matching_step(found.secret, "".join(code[:64].split()), now=now)
    if step is None:
        raise WrongCode(field="code")
    codes = new_recovery_codes()
    async with transaction(session):
        if not await factor_queries.enable_factor(
            session, user_id=actor.user_id, secret=found.secret, step=step, now=now
        ):
            raise SecondFactorState
        await _store(session, actor.user_id, codes)
        await event_queries.insert_event(session, user_id=actor.user_id, kind="second_factor_on", now=now)
        await throttle.forgive_attempt(session, limit=throttle.SECOND_FACTOR, subject=str(actor.user_id))
    return codes


async def disable(session: Session, *, actor: Actor, password: str, code: str, now: datetime) -> None:
    """Turn the second factor off; the recovery codes go with it.

    Raises:
        WrongPassword, WrongCode, TooManyAttempts, Busy: As `prove_password` and `prove_code`.
        SecondFactorState: It is not on.
    """
    await _prove_both(session, actor, password, code, now)
    async with transaction(session):
        await factor_queries.delete_factor(session, user_id=actor.user_id)
        await event_queries.insert_event(session, user_id=actor.user_id, kind="second_factor_off", now=now)


async def renew_recovery_codes(session: Session, *, actor: Actor, password: str, code: str, now: datetime) -> list[str]:
    """Fresh recovery codes, once; those from before count no longer.

    Raises:
        WrongPassword, WrongCode, SecondFactorState, TooManyAttempts, Busy: As `disable`.
    """
    await _prove_both(session, actor, password, code, now)
    codes = new_recovery_codes()
    async with transaction(session):
        await _store(session, actor.user_id, codes)
        await event_queries.insert_event(session, user_id=actor.user_id, kind="recovery_codes_made", now=now)
    return codes


async def reset(session: Session, *, email: str, now: datetime) -> bool:
    """Turn somebody's second factor off without any proof, as whoever runs the service may; False when it was off.

    Raises:
        Invalid: It is not an e-mail address.
        NotFound: Nobody has it.
    """
    found = await queries.credentials_of(session, email=parse_email(email))
    if found is None:
        raise NotFound("There is no account with this e-mail address.")
    async with transaction(session):
        was_on = await factor_queries.delete_factor(session, user_id=found.user.id)
        if was_on:
            await event_queries.insert_event(session, user_id=found.user.id, kind="second_factor_reset", now=now)
    return was_on


async def _prove_both(session: Session, actor: Actor, password: str, code: str, now: datetime) -> None:
    found = await prove_password(session, actor=actor, password=password, now=now)
    if not found.has_second_factor:
        raise SecondFactorState("There is no second factor to change; turn it on first.")
    await prove_code(session, user_id=actor.user_id, code=code, now=now)


async def _store(session: Session, user_id: UUID, codes: list[str]) -> None:
    hashes = [recovery_code_hash(code) for code in codes]
    await factor_queries.replace_recovery_codes(session, user_id=user_id, hashes=hashes)
