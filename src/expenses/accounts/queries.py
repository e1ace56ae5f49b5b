"""The questions that accounts ask the database, and what they write into it. Nothing here commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from expenses.accounts.model import Actor, Candidate, Credentials, Token, User
from expenses.accounts.tables import api_token, login_throttle, user_account, web_session

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from expenses.accounts.model import NewSession, NewToken
    from expenses.db import Session

# Statements of every request are built once: SQLAlchemy's cache then only has to recognise them.
_HOLDER_OF_TOKEN = (
    select(
        user_account.c.id,
        user_account.c.email,
        user_account.c.display_name,
        api_token.c.scopes,
        api_token.c.last_used_at,
    )
    .join_from(api_token, user_account)
    .where(
        api_token.c.token_hash == bindparam("token_hash"),
        api_token.c.expires_at > bindparam("now"),
        api_token.c.revoked_at.is_(None),
        user_account.c.disabled_at.is_(None),
    )
)
_HOLDER_OF_SESSION = (
    select(user_account.c.id, user_account.c.email, user_account.c.display_name, web_session.c.csrf_token)
    .join_from(web_session, user_account)
    .where(
        web_session.c.token_hash == bindparam("token_hash"),
        web_session.c.expires_at > bindparam("now"),
        web_session.c.revoked_at.is_(None),
        user_account.c.disabled_at.is_(None),
    )
)


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
    statement = select(user_account).where(func.lower(user_account.c.email) == func.lower(email))
    row = (await session.execute(statement)).first()
    if row is None:
        return None
    user = User(id=row.id, email=row.email, display_name=row.display_name, created_at=row.created_at)
    return Credentials(user=user, password_hash=row.password_hash, is_disabled=row.disabled_at is not None)


async def store_password_hash(session: Session, *, user_id: UUID, password_hash: str) -> None:
    """Replace an account's password hash."""
    statement = update(user_account).where(user_account.c.id == user_id)
    await session.execute(statement.values(password_hash=password_hash))


async def insert_token(
    session: Session, *, token_id: UUID, user_id: UUID, name: str, token_hash: bytes, new: NewToken, now: datetime
) -> None:
    """Store a new API token."""
    values = {
        "id": token_id,
        "user_id": user_id,
        "name": name,
        "token_hash": token_hash,
        "scopes": sorted(new.scopes),
        "created_at": now,
        "expires_at": new.expires_at,
    }
    await session.execute(insert(api_token), values)


async def holder_of_token(
    session: Session, *, token_hash: bytes, now: datetime
) -> tuple[Actor, datetime | None] | None:
    """Whose valid token this is, and when it was last seen to be used."""
    row = (await session.execute(_HOLDER_OF_TOKEN, {"token_hash": token_hash, "now": now})).first()
    if row is None:
        return None
    return Actor(row.id, row.email, row.display_name, frozenset(row.scopes), "token"), row.last_used_at


async def note_use_of_token(session: Session, *, token_hash: bytes, unless_since: datetime, now: datetime) -> None:
    """Remember that a token was used, unless that is already noted for a time after `unless_since`."""
    is_old = or_(api_token.c.last_used_at.is_(None), api_token.c.last_used_at <= unless_since)
    statement = update(api_token).where(api_token.c.token_hash == token_hash, is_old)
    await session.execute(statement.values(last_used_at=now))


async def tokens_of(session: Session, *, user_id: UUID, now: datetime) -> list[Token]:
    """A person's valid API tokens, newest first."""
    is_valid = (api_token.c.revoked_at.is_(None), api_token.c.expires_at > now)
    statement = select(api_token).where(api_token.c.user_id == user_id, *is_valid).order_by(api_token.c.id.desc())
    return [
        Token(row.id, row.name, tuple(row.scopes), row.created_at, row.expires_at, row.last_used_at)
        for row in await session.execute(statement)
    ]


async def revoke_token(session: Session, *, token_hash: bytes, now: datetime) -> None:
    """Make a token useless from now on."""
    statement = update(api_token).where(api_token.c.token_hash == token_hash, api_token.c.revoked_at.is_(None))
    await session.execute(statement.values(revoked_at=now))


async def revoke_token_of(session: Session, *, user_id: UUID, token_id: UUID, now: datetime) -> bool:
    """Make one of this person's tokens useless from now on; False when they have no such valid token."""
    statement = update(api_token).where(
        api_token.c.id == token_id, api_token.c.user_id == user_id, api_token.c.revoked_at.is_(None)
    )
    changed = await session.execute(statement.values(revoked_at=now).returning(api_token.c.id))
    return changed.first() is not None


async def insert_session(
    session: Session, *, session_id: UUID, user_id: UUID, token_hash: bytes, new: NewSession, now: datetime
) -> None:
    """Store a new page session."""
    values = {
        "id": session_id,
        "user_id": user_id,
        "token_hash": token_hash,
        "csrf_token": new.csrf_token,
        "created_at": now,
        "expires_at": new.expires_at,
    }
    await session.execute(insert(web_session), values)


async def holder_of_session(session: Session, *, token_hash: bytes, now: datetime) -> Actor | None:
    """Whose valid page session this is. It may do all that its person may."""
    row = (await session.execute(_HOLDER_OF_SESSION, {"token_hash": token_hash, "now": now})).first()
    if row is None:
        return None
    return Actor(row.id, row.email, row.display_name, frozenset({"read", "write"}), "session", row.csrf_token)


async def revoke_session(session: Session, *, token_hash: bytes, now: datetime) -> None:
    """Make a page session useless from now on."""
    statement = update(web_session).where(web_session.c.token_hash == token_hash, web_session.c.revoked_at.is_(None))
    await session.execute(statement.values(revoked_at=now))


async def forget_expired(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Delete a person's sessions and tokens that have expired, so that the tables do not grow with time."""
    for table in (web_session, api_token):
        await session.execute(delete(table).where(table.c.user_id == user_id, table.c.expires_at <= now))


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
