"""Being signed in on pages, without the cost of checking a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from expenses.accounts import queries
from expenses.accounts.model import NewSession
from expenses.accounts.tokens import new_session_token, token_hash
from expenses.db import transaction
from expenses.ids import uuid7
from expenses.isolation import act_as

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import Person

    from expenses.workspaces.model import Workspace

PAGE = {"Accept": "text/html"}


@dataclass(frozen=True)
class Window:
    """A browser window in which somebody is signed in."""

    client: httpx.AsyncClient
    person: Person
    csrf_token: str

    @property
    def home(self) -> str:
        """Path of the person's own workspace."""
        return path_of(self.person.workspace)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """What a browser shows at this address."""
        return await self.client.get(path, headers=PAGE | headers)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """What a browser shows after this form, sent with the session's own token unless `fields` have another."""
        return await self.client.post(path, data={"csrf_token": self.csrf_token} | fields, headers=PAGE)

    async def add(self, amount: str = "4.80", merchant: str = "Corner Bakery", **fields: str) -> str:
        """Write down an expense in the person's own workspace. Returns its path."""
        data = {"amount": amount, "merchant": merchant, "currency": "EUR"} | fields
        answer = await self.post(f"{self.home}/expenses", **data)
        assert answer.status_code == 303, answer.text
        found = re.search(r"added\.([0-9a-f-]{36})", answer.headers["set-cookie"])
        assert found
        return f"{self.home}/expenses/{found[1]}"


class _Forms(HTMLParser):
    """Collects what each form of a page would send, and where to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._written: str | None = None
        self._choosing: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given.get("action", "nowhere:"), {}))  # a dialog has none
        elif self.found and (tag == "option" and self._choosing):
            if "selected" in given or self._choosing not in self.found[-1][1]:
                self.found[-1][1][self._choosing] = given.get("value", "")
                self._written = None if "value" in given else self._choosing
        elif self.found and "name" in given:
            self._choosing = given["name"] if tag == "select" else None
            self._written = given["name"] if tag == "textarea" else None
            if tag == "input" and (given.get("type") not in {"checkbox", "radio"} or "checked" in given):
                self.found[-1][1][given["name"]] = given.get("value", "on")

    def handle_data(self, data: str) -> None:
        if self._written:
            self.found[-1][1][self._written] = data.removeprefix("\n")
            self._written = None


def form_on(page: httpx.Response, action: str) -> dict[str, str]:
    """What the form of a page that is sent to this path would send as it stands."""
    forms = _Forms()
    forms.feed(page.text)
    (found,) = (fields for where, fields in forms.found if urljoin(page.request.url.path, where) == action)
    return found


def path_of(workspace: Workspace) -> str:
    """Where the pages of a workspace are."""
    return f"/w/{workspace.id}"


async def open_window(app: FastAPI, client: httpx.AsyncClient, person: Person) -> Window:
    """Sign somebody in on pages."""
    now = app.state.clock()
    new = NewSession(new_session_token(), new_session_token(), now + timedelta(days=1))
    async with app.state.engine.connect() as session, transaction(session):
        await act_as(session, person.user.id)
        await queries.insert_session(
            session,
            session_id=uuid7(now),
            user_id=person.user.id,
            token_hash=token_hash(new.token),
            new=new,
            now=now,
        )
    client.cookies.set("__Host-expenses_session", new.token, domain="testserver.local")
    return Window(client, person, new.csrf_token)
