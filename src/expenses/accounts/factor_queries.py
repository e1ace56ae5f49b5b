"""What accounts ask the database about second factors, and what they write. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.factors import SecondFactor
from expenses.accounts.tables import recovery_code, second_factor, sign_in_step, step_holder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session


async def factor_of(session: Session, *, user_id: UUID) -> SecondFactor | None:
    """A person's second factor, be it on or only begun."""
    its = second_factor.c
    statement = select(its.secret, its.created_at, its.enabled_at).where(its.user_id == user_id)
    row = (await session.execute(statement)).first()
    return None if row is None else SecondFactor(row.secret, row.created_at, row.enabled_at)


async def begin_factor(session: Session, *, user_id: UUID, secret: bytes, now: datetime) -> bool:
    """Store a secret that does not count yet, in place of one that never did; False when one counts."""
    statement = insert(second_factor).values(user_id=user_id, secret=secret, created_at=now)
    statement = statement.on_conflict_do_update(
        index_elements=[second_factor.c.user_id],
        set_={"secret": secret, "created_at": now, "last_step": None},
        where=second_factor.c.enabled_at.is_(None),
    )
    return (await session.execute(statement.returning(second_factor.c.user_id))).first() is not None


async def enable_factor(session: Session, *, user_id: UUID, secret: bytes, step: int, now: datetime) -> bool:
    """Let a secret count from now on, the code of `step` being used; False when it is no longer the one begun."""
    its = second_factor.c
    statement = update(second_factor).where(its.user_id == user_id, its.secret == secret, its.enabled_at.is_(None))
    changed = await session.execute(statement.values(enabled_at=now, last_step=step).returning(its.user_id))
    return changed.first() is not None


async def take_step(session: Session, *, user_id: UUID, step: int) -> bool:
    """Use up the code of a time step, and those before it; False when that has happened, be it a moment ago."""
    its = second_factor.c
    is_new = or_(its.last_step.is_(None), its.last_step < step)
    statement = update(second_factor).where(its.user_id == user_id, its.enabled_at.is_not(None), is_new)
    return (await session.execute(statement.values(last_step=step).returning(its.user_id))).first() is not None


async def delete_factor(session: Session, *, user_id: UUID) -> bool:
    """Forget a person's second factor and its recovery codes; False when none was on."""
    await session.execute(delete(recovery_code).where(recovery_code.c.user_id == user_id))
    statement = delete(second_factor).where(second_factor.c.user_id == user_id)
    return (await session.execute(statement.returning(second_factor.c.enabled_at))).scalar() is not None


async def replace_recovery_codes(session: Session, *, user_id: UUID, hashes: Iterable[bytes]) -> None:
    """Let these recovery codes count, and none from before."""
    await session.execute(delete(recovery_code).where(recovery_code.c.user_id == user_id))
    await session.execute(insert(recovery_code), [{"user_id": user_id, "code_hash": each} for each in hashes])


async def use_recovery_code(session: Session, *, user_id: UUID, code_hash: bytes, now: datetime) -> bool:
    """Use a recovery code up; False when there is none like it, or it was used, be it a moment ago."""
    its = recovery_code.c
    statement = update(recovery_code).where(its.user_id == user_id, its.code_hash == code_hash, its.used_at.is_(None))
    return (await session.execute(statement.values(used_at=now).returning(its.user_id))).first() is not None


async def recovery_codes_left(session: Session, *, user_id: UUID) -> int:
    """How many recovery codes a person has not used."""
    its = recovery_code.c
    statement = select(func.count()).where(its.user_id == user_id, its.used_at.is_(None))
    left: int = (await session.execute(statement)).scalar_one()
    return left


async def insert_step(session: Session, *, token_hash: bytes, user_id: UUID, expires_at: datetime) -> None:
    """Remember that a browser has said the password and is to say the code."""
    values = {"token_hash": token_hash, "user_id": user_id, "expires_at": expires_at}
    await session.execute(insert(sign_in_step), values)


async def holder_of_step(session: Session, *, token_hash: bytes, now: datetime) -> UUID | None:
    """Whose half of a sign-in this is; nobody's when it has expired, or the account is disabled."""
    its = step_holder.c
    statement = select(its.user_id).where(its.token_hash == token_hash, its.expires_at > now)
    user_id: UUID | None = (await session.execute(statement)).scalar()
    return user_id


async def delete_step(session: Session, *, token_hash: bytes) -> bool:
    """Use a half of a sign-in up; False when that has happened, be it a moment ago."""
    statement = delete(sign_in_step).where(sign_in_step.c.token_hash == token_hash)
    return (await session.execute(statement.returning(sign_in_step.c.user_id))).first() is not None


async def delete_steps_of(session: Session, *, user_id: UUID) -> None:
    """Let all of a person's half sign-ins begin again."""
    await session.execute(delete(sign_in_step).where(sign_in_step.c.user_id == user_id))
