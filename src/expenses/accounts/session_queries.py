"""What accounts ask about a person's own tokens and sessions, and how they end them. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from expenses.accounts.devices import UNKNOWN
from expenses.accounts.model import OpenSession, Token
from expenses.accounts.tables import api_token, web_session

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.db import Session


async def tokens_of(
    session: Session, *, user_id: UUID, now: datetime, limit: int, before: UUID | None = None
) -> list[Token]:
    """A person's valid API tokens, newest first, at most `limit` of those older than `before`."""
    token = api_token.c
    statement = select(api_token).where(token.user_id == user_id, token.revoked_at.is_(None), token.expires_at > now)
    if before is not None:
        statement = statement.where(token.id < before)
    return [
        Token(row.id, row.name, tuple(row.scopes), row.created_at, row.expires_at, row.last_used_at)
        for row in await session.execute(statement.order_by(token.id.desc()).limit(limit))
    ]


async def number_of_tokens(session: Session, *, user_id: UUID, now: datetime) -> int:
    """How many valid API tokens a person has."""
    token = api_token.c
    statement = select(func.count()).where(token.user_id == user_id, token.revoked_at.is_(None), token.expires_at > now)
    number: int = (await session.execute(statement)).scalar_one()
    return number


async def revoke_token_of(session: Session, *, user_id: UUID, token_id: UUID, now: datetime) -> str | None:
    """Make one of this person's tokens, and those made with it, useless from now on.

    Returns its name; nothing, and nothing done, when they have no such valid token.
    """
    mine = update(api_token).where(api_token.c.user_id == user_id, api_token.c.revoked_at.is_(None))
    mine = mine.values(revoked_at=now)
    is_this = (api_token.c.id == token_id, api_token.c.expires_at > now)
    name: str | None = (await session.execute(mine.where(*is_this).returning(api_token.c.name))).scalar()
    if name is not None:
        await session.execute(mine.where(api_token.c.made_by == token_id))
    return name


async def revoke_tokens_of(session: Session, *, user_id: UUID, now: datetime, except_id: UUID | None = None) -> int:
    """Make all of a person's tokens, except one, useless from now on. Returns how many there were."""
    statement = update(api_token).where(
        api_token.c.user_id == user_id, api_token.c.revoked_at.is_(None), api_token.c.expires_at > now
    )
    if except_id is not None:
        statement = statement.where(api_token.c.id != except_id)
    return (await session.execute(statement.values(revoked_at=now))).rowcount


async def sessions_of(
    session: Session, *, user_id: UUID, now: datetime, limit: int, before: UUID | None = None
) -> list[OpenSession]:
    """A person's open page sessions, newest first, at most `limit` of those older than `before`."""
    its = web_session.c
    statement = select(web_session).where(its.user_id == user_id, its.revoked_at.is_(None), its.expires_at > now)
    if before is not None:
        statement = statement.where(its.id < before)
    return [
        OpenSession(row.id, row.device or UNKNOWN, row.created_at, row.last_seen_at or row.created_at, row.expires_at)
        for row in await session.execute(statement.order_by(its.id.desc()).limit(limit))
    ]


async def end_session_of(session: Session, *, user_id: UUID, session_id: UUID, now: datetime) -> str | None:
    """End one of this person's page sessions. Returns its device; nothing when they have no such open one."""
    its = web_session.c
    statement = (
        update(web_session)
        .where(its.user_id == user_id, its.id == session_id, its.revoked_at.is_(None), its.expires_at > now)
        .values(revoked_at=now)
        .returning(func.coalesce(its.device, UNKNOWN))
    )
    device: str | None = (await session.execute(statement)).scalar()
    return device


async def end_sessions_of(session: Session, *, user_id: UUID, now: datetime, except_id: UUID | None = None) -> int:
    """End all of a person's page sessions, except one. Returns how many there were."""
    its = web_session.c
    statement = update(web_session).where(its.user_id == user_id, its.revoked_at.is_(None), its.expires_at > now)
    if except_id is not None:
        statement = statement.where(its.id != except_id)
    return (await session.execute(statement.values(revoked_at=now))).rowcount
