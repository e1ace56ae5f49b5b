"""The questions that accounts ask the database, and what they write into it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Uuid, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from expenses.accounts.model import ALL_SCOPES, Actor, Candidate, Credentials, User
from expenses.accounts.standing import Standing
from expenses.accounts.tables import (
    account_credentials,
    api_token,
    session_holder,
    sign_in_step,
    standing,
    token_holder,
    user_account,
    web_session,
)
from expenses.db import HotQuery
from expenses.isolation import acting_as

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row, Table

    from expenses.accounts.model import NewSession, NewToken
    from expenses.db import Session

_UNIQUE_VIOLATION = "23505"


def _holder_of(table: Table, *more: str) -> HotQuery:
    """Who has such a secret and, if a workspace is named, how they belong to it. The session works for them there."""
    its = table.c
    columns = [its[name] for name in ("id", "email", "display_name", "expires_at", *more)]
    here = and_(standing.c.user_id == its.id, standing.c.workspace_id == bindparam("workspace_id", type_=Uuid))
    statement = select(
        *columns,
        standing.c.role,
        standing.c.name,
        standing.c.kind,
        standing.c.base_currency,
        standing.c.time_zone,
        standing.c.created_at,
        *acting_as(its.id, within=standing.c.workspace_id),
    ).outerjoin_from(table, standing, here)
    found = statement.where(its.token_hash == bindparam("token_hash"), its.expires_at > bindparam("now"))
    return HotQuery(found, identifies=True)


HOLDER_OF_TOKEN = _holder_of(token_holder, "token_id", "scopes", "last_used_at")
_HOLDER_OF_SESSION = _holder_of(session_holder, "session_id", "csrf_token", "last_seen_at")


async def insert_user(session: Session, *, candidate: Candidate) -> bool:
    """Store a new account; False, and nothing stored, when its e-mail address is taken, be it a moment ago."""
    user = candidate.user
    statement = insert(user_account).on_conflict_do_nothing().returning(user_account.c.id)
    values = {
        "id": user.id,
        "email": user.email,
        "display_name": user.display_name,
        "password_hash": candidate.password_hash,
        "created_at": user.created_at,
    }
    return (await session.execute(statement, values)).first() is not None


async def credentials_of(session: Session, *, email: str) -> Credentials | None:
    """The account with this address, in any case of letters, disabled ones too."""
    return await _credentials(session, func.lower(account_credentials.c.email) == func.lower(email))


async def credentials_of_user(session: Session, *, user_id: UUID) -> Credentials | None:
    """The account with this id."""
    return await _credentials(session, account_credentials.c.id == user_id)


async def _credentials(session: Session, which: ColumnElement[bool]) -> Credentials | None:
    row = (await session.execute(select(account_credentials).where(which))).first()
    if row is None:
        return None
    return Credentials(
        user=User(id=row.id, email=row.email, display_name=row.display_name, created_at=row.created_at),
        password_hash=row.password_hash,
        is_disabled=row.disabled_at is not None,
        has_second_factor=row.factor_since is not None,
    )


async def store_password_hash(session: Session, *, user_id: UUID, password_hash: str) -> None:
    """Replace an account's password hash."""
    statement = update(user_account).where(user_account.c.id == user_id)
    await session.execute(statement.values(password_hash=password_hash))


async def replace_password_hash(session: Session, *, user_id: UUID, old_hash: str, new_hash: str) -> bool:
    """Replace an account's password hash; False, and nothing done, when it is no longer the old one."""
    its = user_account.c
    statement = update(user_account).where(its.id == user_id, its.password_hash == old_hash)
    return (await session.execute(statement.values(password_hash=new_hash).returning(its.id))).first() is not None


async def update_user(session: Session, *, user_id: UUID, display_name: str, email: str) -> User | None:
    """Change an account's name and address; nothing when the address is taken, which ends the transaction."""
    its = user_account.c
    statement = update(user_account).where(its.id == user_id).values(display_name=display_name, email=email)
    try:
        row = (await session.execute(statement.returning(its.id, its.created_at))).one()
    except IntegrityError as exc:
        if getattr(exc.orig, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        return None
    return User(id=row.id, email=email, display_name=display_name, created_at=row.created_at)


async def insert_token(
    session: Session,
    *,
    token_id: UUID,
    user_id: UUID,
    name: str,
    token_hash: bytes,
    new: NewToken,
    now: datetime,
    made_by: UUID | None = None,
) -> None:
    """Store a new API token; `made_by` is the token that asked for it, if one did."""
    values = {
        "id": token_id,
        "user_id": user_id,
        "name": name,
        "token_hash": token_hash,
        "scopes": sorted(new.scopes),
        "created_at": now,
        "expires_at": new.expires_at,
        "made_by": made_by,
    }
    await session.execute(insert(api_token), values)


async def holder_of_token(
    session: Session, *, token_hash: bytes, workspace_id: UUID | None = None, now: datetime
) -> tuple[Actor, datetime | None] | None:
    """Whose valid token this is, and when it was last seen to be used."""
    row = await HOLDER_OF_TOKEN.first(session, token_hash=token_hash, workspace_id=workspace_id, now=now)
    if row is None:
        return None
    actor = Actor(
        user_id=row.id,
        email=row.email,
        display_name=row.display_name,
        scopes=frozenset(row.scopes),
        via="token",
        credential_id=row.token_id,
        expires_at=row.expires_at,
        standing=_standing(workspace_id, row),
    )
    return actor, row.last_used_at


async def note_use_of_token(session: Session, *, token_hash: bytes, unless_since: datetime, now: datetime) -> None:
    """Remember that a token was used, unless that is already noted for a time after `unless_since`."""
    is_old = or_(api_token.c.last_used_at.is_(None), api_token.c.last_used_at <= unless_since)
    statement = update(api_token).where(api_token.c.token_hash == token_hash, is_old)
    await session.execute(statement.values(last_used_at=now))


async def insert_session(
    session: Session,
    *,
    session_id: UUID,
    user_id: UUID,
    token_hash: bytes,
    new: NewSession,
    now: datetime,
    device: str | None = None,
) -> None:
    """Store a new page session; `device` is what its owner recognises it by."""
    values = {
        "id": session_id,
        "user_id": user_id,
        "token_hash": token_hash,
        "csrf_token": new.csrf_token,
        "created_at": now,
        "expires_at": new.expires_at,
        "device": device,
        "last_seen_at": now,
    }
    await session.execute(insert(web_session), values)


async def holder_of_session(
    session: Session, *, token_hash: bytes, workspace_id: UUID | None = None, now: datetime
) -> tuple[Actor, datetime | None] | None:
    """Whose valid page session this is, and when it was last seen. It may do all that its person may."""
    row = await _HOLDER_OF_SESSION.first(session, token_hash=token_hash, workspace_id=workspace_id, now=now)
    if row is None:
        return None
    actor = Actor(
        user_id=row.id,
        email=row.email,
        display_name=row.display_name,
        scopes=ALL_SCOPES,
        via="session",
        csrf_token=row.csrf_token,
        credential_id=row.session_id,
        expires_at=row.expires_at,
        standing=_standing(workspace_id, row),
    )
    return actor, row.last_seen_at


async def note_visit(session: Session, *, session_id: UUID, unless_since: datetime, now: datetime) -> None:
    """Remember that a page session was seen, unless that is already noted for a time after `unless_since`."""
    is_old = or_(web_session.c.last_seen_at.is_(None), web_session.c.last_seen_at <= unless_since)
    statement = update(web_session).where(web_session.c.id == session_id, is_old)
    await session.execute(statement.values(last_seen_at=now))


async def revoke_session(session: Session, *, token_hash: bytes, now: datetime) -> None:
    """Make a page session useless from now on."""
    statement = update(web_session).where(web_session.c.token_hash == token_hash, web_session.c.revoked_at.is_(None))
    await session.execute(statement.values(revoked_at=now))


async def forget_expired(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Delete what of a person's sessions and tokens has ended, so that the tables do not grow with time."""
    for table in (web_session, api_token):
        has_ended = or_(table.c.expires_at <= now, table.c.revoked_at <= now)
        await session.execute(delete(table).where(table.c.user_id == user_id, has_ended))
    its = sign_in_step.c
    await session.execute(delete(sign_in_step).where(its.user_id == user_id, its.expires_at <= now))


def _standing(workspace_id: UUID | None, row: Row[Any]) -> Standing | None:
    if workspace_id is None:
        return None
    if row.role is None:
        return Standing(workspace_id, None)
    return Standing(
        workspace_id, row.role, row.name, row.kind, row.base_currency, row.time_zone, created_at=row.created_at
    )
