"""The questions that repeated requests ask the database, and what is kept for them. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from expenses.idempotency.model import KEPT_FOR, LONGEST_WAIT, Answer, IdempotencyInProgress
from expenses.idempotency.tables import idempotency_key

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from expenses.db import Session
    from expenses.idempotency.model import Claim

_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's SQLSTATE for a lock timeout that has passed."""

_kept = idempotency_key.c


async def reserve(session: Session, *, claim: Claim, now: datetime) -> bool:
    """Whether this request is the first with its key; a key that is too old to be remembered counts as new.

    While another transaction has reserved the same key, PostgreSQL makes this one wait for its end: after a commit the
    answer is no, after a rollback yes. Nothing else decides who is first.

    Raises:
        IdempotencyInProgress: The other one took longer than `LONGEST_WAIT`.
    """
    new = insert(idempotency_key).values(
        workspace_id=claim.workspace_id,
        user_id=claim.user_id,
        key=claim.key,
        fingerprint=claim.fingerprint,
        created_at=now,
    )
    statement = new.on_conflict_do_update(
        index_elements=[_kept.workspace_id, _kept.user_id, _kept.key],
        set_={"fingerprint": claim.fingerprint, "created_at": now, "status": None, "headers": None, "body": None},
        where=_kept.created_at < now - KEPT_FOR,
    ).returning(_kept.key)
    await _set_lock_timeout(session, milliseconds=int(LONGEST_WAIT.total_seconds() * 1000))
    try:
        is_first = (await session.execute(statement)).first() is not None
    except DBAPIError as exc:
        if getattr(exc.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise IdempotencyInProgress(retry_after_s=1) from exc
        raise
    await _set_lock_timeout(session, milliseconds=0)  # what the request itself waits for is not ours to limit
    return is_first


async def earlier_answer(session: Session, *, claim: Claim) -> tuple[bytes, Answer]:
    """The fingerprint and the answer of the request that had this key first. It must be there."""
    statement = select(_kept.fingerprint, _kept.status, _kept.headers, _kept.body).where(_is(claim))
    row = (await session.execute(statement)).one()
    return row.fingerprint, Answer(row.status, row.headers, row.body)


async def store_answer(session: Session, *, claim: Claim, answer: Answer) -> None:
    """Keep what the request with this key is answered."""
    statement = update(idempotency_key).where(_is(claim))
    await session.execute(statement.values(status=answer.status, headers=dict(answer.headers), body=answer.body))


async def forget_expired(session: Session, *, now: datetime, at_most: int) -> None:
    """Remove some keys, of anybody, that are too old to be remembered. Rows that others hold are left to them.

    A function of the tables' owner does it: the service itself does not see the keys of others.
    """
    await session.execute(select(func.forget_idempotency_keys(now - KEPT_FOR, at_most)))


def _is(claim: Claim) -> ColumnElement[bool]:
    return and_(_kept.workspace_id == claim.workspace_id, _kept.user_id == claim.user_id, _kept.key == claim.key)


async def _set_lock_timeout(session: Session, *, milliseconds: int) -> None:
    await session.execute(select(func.set_config("lock_timeout", str(milliseconds), True)))
