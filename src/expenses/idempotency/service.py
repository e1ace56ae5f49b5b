"""A request that is sent twice is done once, whatever crashes in between.

The key is reserved, the request done and its answer kept in one transaction. If the process dies before the commit,
nothing has happened and the key is free; if it dies after it, before anybody has read the answer, the answer is there
to be repeated. There is no third case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.db import transaction
from expenses.idempotency import queries
from expenses.idempotency.model import IdempotencyConflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from expenses.db import Session
    from expenses.idempotency.model import Answer, Claim

FORGOTTEN_AT_ONCE = 10
"""Expired keys that each new one clears away: more than one, so that the table shrinks back after a busy day."""


async def answer_once(
    session: Session, *, claim: Claim, work: Callable[[], Awaitable[Answer]], now: datetime
) -> tuple[Answer, bool]:
    """The answer of `work` or, if this request was done already, the answer it had then, and whether that is so.

    `work` runs in this transaction: those that it opens itself become savepoints. What it raises undoes everything
    and is not remembered, so that the same request may succeed later.

    Raises:
        IdempotencyConflict: The key was used for another request.
        IdempotencyInProgress: The first request with this key takes too long to wait for.
    """
    async with transaction(session):
        if await queries.reserve(session, claim=claim, now=now):
            answer = await work()
            await queries.store_answer(session, claim=claim, answer=answer)
            await queries.forget_expired(session, now=now, at_most=FORGOTTEN_AT_ONCE)
            return answer, False
        fingerprint, answer = await queries.earlier_answer(session, claim=claim)
    if fingerprint != claim.fingerprint:
        raise IdempotencyConflict
    return answer, True
