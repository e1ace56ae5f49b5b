"""A workspace with somebody in each role and a stranger before it, who try what its routes answer them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text
from tests.browsing import PAGE
from tests.workspaces.routes import BODIES, GIVER, TAKER

from expenses.accounts import queries
from expenses.accounts.model import NewSession, NewToken
from expenses.accounts.tokens import new_api_token, new_session_token, token_hash
from expenses.db import transaction
from expenses.ids import uuid7
from expenses.workspaces.model import ROLES

if TYPE_CHECKING:
    from datetime import datetime

    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person
    from tests.workspaces.routes import Route

    from expenses.accounts.model import Scope
    from expenses.db import Session

STRANGER = "stranger"


@dataclass
class Stage:
    """The workspace of `cast["owner"]`, with everybody in it in their role."""

    app: FastAPI
    client: httpx.AsyncClient
    session: Session
    cast: dict[str, Person]
    _windows: dict[str, NewSession] = field(default_factory=dict)
    _read: dict[tuple[str, str], str] = field(default_factory=dict)
    """Addresses of routes that only read: what they name is still there for the next try."""

    async def tried(
        self, route: Route, who: str, headers: dict[str, str] | None = None, *, within: str = "owner"
    ) -> httpx.Response:
        """What the route answers to somebody of the cast, or to a token of theirs, about things of the owner's.

        Args:
            headers: Those of a token with fewer scopes.
            within: In whose workspace the things are sought.
        """
        return await self.asked(route, who, await self.address(route, within), headers)

    async def asked(
        self, route: Route, who: str, address: str, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """What somebody of the cast is answered at an address of this route."""
        ids = {GIVER: str(self.cast["owner"].user.id), TAKER: str(self.cast["admin"].user.id)}
        body = {
            name: ids.get(value, value) if isinstance(value, str) else value
            for name, value in BODIES.get(route.name, {}).items()
        }
        if route.is_page:
            window = await self.window(who)
            cookie = {"Cookie": f"__Host-expenses_session={window.token}"}
            form = None if route.method == "GET" else body | {"csrf_token": window.csrf_token}
            return await self.client.request(route.method, address, data=form, headers=PAGE | cookie)
        json = body if route.method in {"POST", "PUT", "PATCH"} else None
        mine = headers or self.cast[who].headers
        return await self.client.request(route.method, address, json=json, headers=mine)

    async def tried_unnamed(self, route: Route) -> httpx.Response:
        """What the route answers to somebody who does not say who they are."""
        address = await self.address(route, "owner")
        return await self.client.request(route.method, address, headers=PAGE if route.is_page else {})

    async def token(self, who: str, scopes: frozenset[Scope]) -> dict[str, str]:
        """What makes a request that of a token which is for these only."""
        new = NewToken(new_api_token(), scopes, self._now() + timedelta(days=1))
        async with transaction(self.session):
            await queries.insert_token(
                self.session,
                token_id=uuid7(self._now()),
                user_id=self.cast[who].user.id,
                name="few",
                token_hash=token_hash(new.token),
                new=new,
                now=self._now(),
            )
        return {"Authorization": f"Bearer {new.token}"}

    async def window(self, who: str) -> NewSession:
        """A browser in which somebody of the cast is signed in."""
        if who not in self._windows:
            new = NewSession(new_session_token(), new_session_token(), self._now() + timedelta(days=1))
            self._windows[who] = new
            async with transaction(self.session):
                await queries.insert_session(
                    self.session,
                    session_id=uuid7(self._now()),
                    user_id=self.cast[who].user.id,
                    token_hash=token_hash(new.token),
                    new=new,
                    now=self._now(),
                )
        return self._windows[who]

    async def address(self, route: Route, within: str) -> str:
        """An address of this route for things of the owner's, claimed to be in somebody's workspace."""
        key = (route.name, within)
        if key in self._read:
            return self._read[key]
        await self._give_roles()
        address = await route.address(self.client, self.cast["owner"], within=self.cast[within])
        if route.method == "GET":
            self._read[key] = address
        return address

    async def _give_roles(self) -> None:
        """Put everybody back: what was tried before may have moved them."""
        statement = text(
            "INSERT INTO membership SELECT :workspace_id, user_id, role, :now"
            " FROM unnest(CAST(:user_ids AS uuid[]), CAST(:roles AS text[])) AS cast_of (user_id, role)"
            " ON CONFLICT (workspace_id, user_id) DO UPDATE SET role = excluded.role"
        )
        values = {"workspace_id": self.cast["owner"].workspace.id, "now": self._now(), "roles": list(ROLES)}
        await self.session.execute(statement, values | {"user_ids": [self.cast[role].user.id for role in ROLES]})

    def _now(self) -> datetime:
        now: datetime = self.app.state.clock()
        return now


async def set_stage(app: FastAPI, client: httpx.AsyncClient, session: Session, people: People) -> Stage:
    """One person in each role of the first one's workspace, and one in none."""
    cast = {who: await people.sign_up(display_name=who) for who in (*ROLES, STRANGER)}
    return Stage(app, client, session, cast)
