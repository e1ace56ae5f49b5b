"""The rival of `api.py`: the item routes of full-stack-fastapi-template (MIT), as it publishes them, in one file.

What a request costs is kept: FastAPI with synchronous routes, SQLModel on psycopg 3 with SQLAlchemy's default pool, a
signed token that names the user and a query for that user, a list that is counted before it is cut by `OFFSET`, a
create that commits and reads back. The interpreter is ours: the template itself asks for Python 3.14.

Run by `api.py` in an environment of its own; `DATABASE_URL` and `SECRET_KEY` come from there.
Without `from __future__ import annotations`: FastAPI and SQLModel read the annotations.
"""

import os
import uuid
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import ValidationError
from sqlalchemy import DateTime
from sqlmodel import Field, Relationship, Session, SQLModel, col, create_engine, func, select
from starlette.middleware.cors import CORSMiddleware


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class UserBase(SQLModel):
    """What an account shows."""

    email: str = Field(unique=True, index=True, max_length=255)
    is_active: bool = True
    is_superuser: bool = False
    full_name: str | None = Field(default=None, max_length=255)


class User(UserBase, table=True):
    """An account."""

    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    hashed_password: str
    created_at: datetime | None = Field(default_factory=now, sa_type=DateTime(timezone=True))
    items: list["Item"] = Relationship(back_populates="owner", cascade_delete=True)


class ItemBase(SQLModel):
    """What people write."""

    title: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=255)


class Item(ItemBase, table=True):
    """The row."""

    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    created_at: datetime | None = Field(default_factory=now, sa_type=DateTime(timezone=True))
    owner_id: uuid.UUID = Field(foreign_key="user.id", nullable=False, ondelete="CASCADE")
    owner: User | None = Relationship(back_populates="items")


class ItemPublic(ItemBase):
    """The answer."""

    id: uuid.UUID
    owner_id: uuid.UUID
    created_at: datetime | None = None


class ItemsPublic(SQLModel):
    """A page of them."""

    data: list[ItemPublic]
    count: int


class TokenPayload(SQLModel):
    """What the token says."""

    sub: str | None = None


engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"))
bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/login/access-token")


def get_db() -> Generator[Session]:
    """One session a request."""
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_db)]


def get_current_user(session: SessionDep, token: Annotated[str, Depends(bearer)]) -> User:
    """Whose token it is."""
    try:
        payload = TokenPayload(**jwt.decode(token, os.environ["SECRET_KEY"], algorithms=["HS256"]))
    except (jwt.InvalidTokenError, ValidationError) as exc:
        raise HTTPException(status_code=403, detail="Could not validate credentials") from exc
    user = session.get(User, payload.sub and uuid.UUID(payload.sub))
    if not user:
        raise HTTPException(status_code=404, detail="User not found")
    if not user.is_active:
        raise HTTPException(status_code=400, detail="Inactive user")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
router = APIRouter(prefix="/items", tags=["items"])


@router.get("/", response_model=ItemsPublic)
def read_items(session: SessionDep, current_user: CurrentUser, skip: int = 0, limit: int = 100) -> Any:  # noqa: ANN401 - as published
    """A page of the caller's items."""
    mine = Item.owner_id == current_user.id
    count = session.exec(select(func.count()).select_from(Item).where(mine)).one()
    statement = select(Item).where(mine).order_by(col(Item.created_at).desc()).offset(skip).limit(limit)
    items = [ItemPublic.model_validate(item) for item in session.exec(statement).all()]
    return ItemsPublic(data=items, count=count)


@router.get("/{id}", response_model=ItemPublic)
def read_item(session: SessionDep, current_user: CurrentUser, id: uuid.UUID) -> Any:  # noqa: A002, ANN401 - as published
    """One item."""
    item = session.get(Item, id)
    if not item:
        raise HTTPException(status_code=404, detail="Item not found")
    if not current_user.is_superuser and (item.owner_id != current_user.id):
        raise HTTPException(status_code=403, detail="Not enough permissions")
    return item


@router.post("/", response_model=ItemPublic)
def create_item(*, session: SessionDep, current_user: CurrentUser, item_in: ItemBase) -> Any:  # noqa: ANN401 - as published
    """A new item."""
    item = Item.model_validate(item_in, update={"owner_id": current_user.id})
    session.add(item)
    session.commit()
    session.refresh(item)
    return item


app = FastAPI(title="template")
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:5173"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)
app.include_router(router, prefix="/api/v1")
