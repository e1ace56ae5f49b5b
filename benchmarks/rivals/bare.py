"""The limit in `api.py`: our SQL behind a bare ASGI function. No framework, no checks, no log, no SQLAlchemy.

The statements are the service's own, under the same role and with the same round trips. What it lacks is what the
difference to the service buys. `DATABASE_URL` and `WORKSPACE_ID` come from `api.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from expenses.accounts.queries import HOLDER_OF_TOKEN
from expenses.audit.model import event_of
from expenses.ids import uuid7
from expenses.isolation import ROLE
from expenses.ledger.model import Expense
from expenses.ledger.record_queries import ADD, values_of
from expenses.ledger.snapshot_queries import ONE, page_query
from expenses.money import CURRENCIES, Money

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from expenses.db import HotQuery

CONNECTIONS = 10
"""As the service's pool; asyncpg's own would send another statement with every connection that it takes back."""

_WORKSPACE = UUID(os.environ["WORKSPACE_ID"])
_free: asyncio.LifoQueue[asyncpg.Connection] = asyncio.LifoQueue()


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer the three routes that are measured."""
    if scope["type"] == "lifespan":
        await receive()
        for _ in range(CONNECTIONS):
            connection = await asyncpg.connect(os.environ["DATABASE_URL"])
            await connection.execute(f"SET ROLE {ROLE}")
            _free.put_nowait(connection)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    token = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
    if not token:
        await _answer(send, 401, b"{}")
        return
    connection = await _free.get()
    try:
        await _answer(send, *await _answered(connection, scope, token, receive))
    except ConnectionResetError:  # wrk has had enough, and nobody waits for an answer
        return
    finally:
        _free.put_nowait(connection)


async def _answered(
    connection: asyncpg.Connection, scope: dict[str, Any], token: bytes, receive: Callable[[], Awaitable[Any]]
) -> tuple[int, bytes]:
    secret = hashlib.sha256(token).digest()
    caller = await _first(
        connection, HOLDER_OF_TOKEN, token_hash=secret, workspace_id=_WORKSPACE, now=datetime.now(UTC)
    )
    if caller is None or caller["role"] is None:
        raise PermissionError
    if scope["method"] == "POST":
        return 201, await _create(connection, caller["id"], json.loads(await _read(receive)))
    if scope["path"].endswith("/expenses"):
        rows = await _rows(connection, page_query(frozenset(), 51), workspace_id=_WORKSPACE)
        return 200, f'{{"items":[{",".join(row[0] for row in rows[:50])}],"next":null}}'.encode()
    expense_id = UUID(scope["path"].rpartition("/")[2])
    row = await _first(connection, ONE, workspace_id=_WORKSPACE, expense_id=expense_id)
    return 200, row[0].encode()


async def _rows(connection: asyncpg.Connection, query: HotQuery, **values: object) -> list[Any]:
    sql, arguments = query.call(values)
    found: list[Any] = await connection.fetch(sql, *arguments)
    return found


async def _first(connection: asyncpg.Connection, query: HotQuery, **values: object) -> Any:  # noqa: ANN401 - a row
    found = await _rows(connection, query, **values)
    return found[0] if found else None


async def _answer(send: Callable[[Any], Awaitable[None]], status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Callable[[], Awaitable[Any]]) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def _create(connection: asyncpg.Connection, user_id: UUID, body: dict[str, Any]) -> bytes:
    now = datetime.now(UTC)
    minor = int(body["amount"]["value"].replace(".", ""))
    new = Expense(
        id=uuid7(now),
        spent_on=date.fromisoformat(body["spent_on"]),
        amount=Money(minor, CURRENCIES[body["amount"]["currency"]]),
        merchant=body["merchant"],
        category_id=None,
        note="",
        tags=(),
        payer_id=user_id,
        version=1,
        created_by=user_id,
        created_at=now,
        updated_at=now,
    )
    event = event_of("create", before=None, after=new, actor_id=user_id, now=now)
    await _rows(connection, ADD, **values_of(_WORKSPACE, new, event))
    return json.dumps(new.snapshot(), separators=(",", ":")).encode()
