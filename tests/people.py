"""Who appears in tests, and the clock they live by."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from expenses.accounts import passwords
from expenses.accounts import queries as accounts
from expenses.accounts.model import ALL_SCOPES, Actor, Candidate, NewToken, User
from expenses.accounts.tokens import new_api_token, token_hash
from expenses.db import transaction
from expenses.ids import uuid7
from expenses.isolation import act_as, enter
from expenses.workspaces import queries as workspaces
from expenses.workspaces.model import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pwdlib import PasswordHash

    from expenses.workspaces.model import Role

PASSWORD = "correct horse battery staple"
"""Everybody's password."""

_numbers = itertools.count(1)


class Clock:
    """A clock that stands still at noon of 22 November 2026, UTC, until it is turned."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def turn(self, by: timedelta) -> None:
        """Let time pass, or go back."""
        self.time += by


@dataclass(frozen=True)
class Person:
    """Somebody who has signed up, with the workspace they own and an API token that may read and write."""

    user: User
    workspace: Workspace
    actor: Actor
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request theirs: `client.get(…, headers=anna.headers)`."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def url(self) -> str:
        """Where their workspace is in the API."""
        return f"/api/v1/workspaces/{self.workspace.id}"


class People:
    """Signs people up in the database of the service under test, without the cost of hashing a password each time."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def sign_up(self, email: str | None = None, display_name: str = "Anna") -> Person:
        """A new person with a workspace of their own. Their password is `PASSWORD`."""
        now: datetime = self._app.state.clock()
        email = email or f"person{next(_numbers)}@example.org"
        user = User(uuid7(now), email, display_name, now)
        home = Workspace(uuid7(now), "Home", "household", "EUR", "UTC", now)
        new = NewToken(new_api_token(), ALL_SCOPES, now + timedelta(days=30))
        async with self._app.state.engine.connect() as session, transaction(session):
            await act_as(session, user.id)
            await enter(session, home.id)
            assert await accounts.insert_user(session, candidate=Candidate(user, _password_hash(passwords.HASHER)))
            await workspaces.insert_workspace(session, new=home)
            await workspaces.insert_membership(session, workspace_id=home.id, user_id=user.id, role="owner", now=now)
            await accounts.insert_token(
                session,
                token_id=uuid7(now),
                user_id=user.id,
                name="test",
                token_hash=token_hash(new.token),
                new=new,
                now=now,
            )
        return Person(user, home, Actor(user.id, email, display_name, ALL_SCOPES, "token"), new.token)

    async def join(self, person: Person, workspace: Workspace, role: Role) -> None:
        """Let somebody into another's workspace."""
        async with self._app.state.engine.connect() as session, transaction(session):
            await enter(session, workspace.id)
            await workspaces.insert_membership(
                session, workspace_id=workspace.id, user_id=person.user.id, role=role, now=self._app.state.clock()
            )


@functools.cache
def _password_hash(hasher: PasswordHash) -> str:
    return hasher.hash(PASSWORD)
