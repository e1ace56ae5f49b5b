"""The buckets of the throttle in the database (`accounts.throttle`). Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.tables import login_throttle

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from expenses.db import Session


async def pour_drop(
    session: Session, *, subject_hash: bytes, per_drop: timedelta, full_at: datetime, now: datetime
) -> bool:
    """Add one drop; False, and nothing added, when the bucket drains only after `full_at`."""
    statement = insert(login_throttle).values(subject_hash=subject_hash, drained_at=now + per_drop)
    statement = statement.on_conflict_do_update(
        index_elements=[login_throttle.c.subject_hash],
        set_={"drained_at": func.greatest(login_throttle.c.drained_at, now) + per_drop},
        where=login_throttle.c.drained_at <= full_at,
    )
    return (await session.execute(statement.returning(login_throttle.c.drained_at))).first() is not None


async def bucket_drained_at(session: Session, *, subject_hash: bytes) -> datetime | None:
    """When the bucket will be empty."""
    statement = select(login_throttle.c.drained_at).where(login_throttle.c.subject_hash == subject_hash)
    found: datetime | None = (await session.execute(statement)).scalar()
    return found


async def take_drop_back(session: Session, *, subject_hash: bytes, per_drop: timedelta) -> None:
    """Remove one drop."""
    statement = update(login_throttle).where(login_throttle.c.subject_hash == subject_hash)
    await session.execute(statement.values(drained_at=login_throttle.c.drained_at - per_drop))


async def empty_bucket(session: Session, *, subject_hash: bytes) -> None:
    """Remove all drops."""
    await session.execute(delete(login_throttle).where(login_throttle.c.subject_hash == subject_hash))


async def forget_drained_buckets(session: Session, *, now: datetime, at_most: int) -> None:
    """Delete buckets that are empty; those that someone is using at this moment are left alone."""
    key = login_throttle.c.subject_hash
    drained = select(key).where(login_throttle.c.drained_at < now).limit(at_most).with_for_update(skip_locked=True)
    await session.execute(delete(login_throttle).where(key.in_(drained)))
