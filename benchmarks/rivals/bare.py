"""The limit in `api.py`: our SQL behind a bare ASGI function. No framework, no checks, no log, no SQLAlchemy.

What it lacks is what the difference to the service buys. `DATABASE_URL` and `WORKSPACE_ID` come from `api.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from expenses.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_HOLDER = (
    "SELECT u.id FROM api_token t JOIN user_account u ON u.id = t.user_id WHERE t.token_hash = $1 "
    "AND t.revoked_at IS NULL AND t.expires_at > now() AND u.disabled_at IS NULL"
)
_MEMBER = "SELECT role FROM membership WHERE workspace_id = $1 AND user_id = $2"
_COLUMNS = "id, spent_on, amount_minor, currency, merchant, category_id, note, tags, payer_id, version"
_PAGE = (
    f"SELECT {_COLUMNS} FROM expense WHERE workspace_id = $1 AND deleted_at IS NULL "
    "ORDER BY spent_on DESC, id DESC LIMIT 51"
)
_ONE = f"SELECT {_COLUMNS} FROM expense WHERE workspace_id = $1 AND id = $2"
_ADD = (
    "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, version, "
    "created_by, created_at, updated_at) VALUES ($1, $2, $3, $4, 'EUR', $5, '', '{}', 1, $6, $7, $7)"
)
_RECORD = (
    "INSERT INTO audit_event (workspace_id, id, at, actor_id, entity, entity_id, action, after) "
    "VALUES ($1, $2, $3, $4, 'expense', $5, 'create', $6)"
)
_WORKSPACE = UUID(os.environ["WORKSPACE_ID"])
_pool: list[asyncpg.Pool] = []


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer the three routes that are measured."""
    if scope["type"] == "lifespan":
        await receive()
        _pool.append(await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    token = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
    if not token:
        await _answer(send, 401, {})
        return
    async with _pool[0].acquire() as connection:
        user_id = await connection.fetchval(_HOLDER, hashlib.sha256(token).digest())
        if await connection.fetchval(_MEMBER, _WORKSPACE, user_id) is None:
            raise PermissionError
        if scope["method"] == "POST":
            status, answer = 201, await _create(connection, user_id, json.loads(await _read(receive)))
        elif scope["path"].endswith("/expenses"):
            rows = await connection.fetch(_PAGE, _WORKSPACE)
            status, answer = 200, {"items": [_shown(row) for row in rows[:50]], "next": None}
        else:
            row = await connection.fetchrow(_ONE, _WORKSPACE, UUID(scope["path"].rpartition("/")[2]))
            status, answer = 200, _shown(row)
    await _answer(send, status, answer)


async def _answer(send: Callable[[Any], Awaitable[None]], status: int, answer: dict[str, object]) -> None:
    body = json.dumps(answer, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Callable[[], Awaitable[Any]]) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def _create(connection: asyncpg.Connection, user_id: UUID, body: dict[str, Any]) -> dict[str, object]:
    now = datetime.now(UTC)
    expense_id = uuid7(now)
    minor = int(body["amount"]["value"].replace(".", ""))
    async with connection.transaction():
        day = date.fromisoformat(body["spent_on"])
        await connection.execute(_ADD, _WORKSPACE, expense_id, day, minor, body["merchant"], user_id, now)
        await connection.execute(_RECORD, _WORKSPACE, uuid7(now), now, user_id, expense_id, json.dumps(body))
    return body | {"id": str(expense_id), "version": 1}


def _shown(row: asyncpg.Record) -> dict[str, object]:
    minor = row["amount_minor"]
    return {
        "id": str(row["id"]),
        "spent_on": row["spent_on"].isoformat(),
        "amount": {"value": f"{minor // 100}.{minor % 100:02}", "currency": row["currency"]},
        "merchant": row["merchant"],
        "category_id": row["category_id"] and str(row["category_id"]),
        "note": row["note"],
        "tags": row["tags"],
        "payer_id": row["payer_id"] and str(row["payer_id"]),
        "version": row["version"],
    }
