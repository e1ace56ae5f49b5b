"""The routes that name something in their path, found in the application, and what it takes to call each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette import routing
from tests.ledger.recording import COFFEE, category_ids, record

from expenses.workspaces.rights import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    import httpx
    from fastapi import FastAPI
    from tests.people import Person

API = "/api/v1/workspaces/{workspace_id}"
PAGES = "/w/{workspace_id:uuid}"

FORM = {"spent_on": "2026-11-22", "amount": "1", "merchant": "x", "currency": "EUR"}

GIVER, TAKER = "the owner's id", "the admin's id"
"""What stands in a body for ids that only the stage knows."""

PAYMENT: dict[str, Any] = {"amount": {"value": "1", "currency": "EUR"}, "paid_on": "2026-11-22"}

BODIES: dict[str, dict[str, Any]] = {
    f"POST {API}/expenses": COFFEE,
    f"PATCH {API}/expenses/{{expense_id}}": {"note": "x"},
    f"POST {API}/merchants/rename": {"from": ["x"], "to": "y"},
    f"POST {API}/expenses/bulk": {"expenses": [{"id": str(UUID(int=0))}], "action": "delete"},
    f"POST {API}/categories": {"name": "Fresh"},
    f"PATCH {API}/categories/{{category_id}}": {"color": "#000000"},
    f"POST {API}/payment-accounts": {"name": "Card"},
    f"POST {API}/settlements": {"from_user_id": GIVER, "to_user_id": TAKER, **PAYMENT},
    f"PATCH {API}/payment-accounts/{{account_id}}": {"kind": "bank"},
    f"PATCH {API}": {"name": "x"},
    f"PATCH {API}/members/{{user_id}}": {"role": "viewer"},
    f"POST {PAGES}/members/{{user_id:uuid}}/role": {"role": "viewer"},
    f"POST {PAGES}/invitations": {"role": "member"},
    f"POST {PAGES}/settings": {"name": "x", "kind": "company", "base_currency": "EUR", "time_zone": "UTC"},
    f"PUT {API}/rates/{{base}}/{{quote}}/{{on}}": {"rate": "1.1"},
    f"POST {PAGES}/expenses": FORM,
    f"POST {PAGES}/settlements": {"from_user_id": GIVER, "to_user_id": TAKER, "amount": "1", "currency": "EUR"},
    f"POST {PAGES}/expenses/{{expense_id:uuid}}": FORM,
    f"POST {PAGES}/categories": {"name": "Other", "parent_id": "", "color": "#000000"},
}
"""The least that makes a route do its work, by method and path; nothing where none is named."""

QUERIES = {f"GET {API}/reports/monthly": "?month=2026-11"}
"""Queries without which a route does not know what is asked."""


async def _expense(client: httpx.AsyncClient, owner: Person) -> str:
    return str((await record(client, owner))["id"])


async def _trashed(client: httpx.AsyncClient, owner: Person) -> str:
    expense_id = await _expense(client, owner)
    await client.delete(f"{owner.url}/expenses/{expense_id}", headers=owner.headers)
    return expense_id


async def _category(client: httpx.AsyncClient, owner: Person) -> str:
    draft = {"name": f"Made {len(await category_ids(client, owner))}"}
    answer = await client.post(f"{owner.url}/categories", json=draft, headers=owner.headers)
    if answer.status_code == 409:  # as many as there may be, or archived ones of this name
        return next(iter((await category_ids(client, owner)).values()))
    return str(answer.json()["id"])


async def _account(client: httpx.AsyncClient, owner: Person) -> str:
    found = await client.get(f"{owner.url}/payment-accounts?archived=true", headers=owner.headers)
    draft = {"name": f"Account {len(found.json()['items'])}"}
    answer = await client.post(f"{owner.url}/payment-accounts", json=draft, headers=owner.headers)
    return str(answer.json()["id"])


async def _member(client: httpx.AsyncClient, owner: Person) -> str:
    members = (await client.get(f"{owner.url}/members", headers=owner.headers)).json()["items"]
    return next(str(each["user_id"]) for each in members if each["role"] == "member")


async def _invitation(client: httpx.AsyncClient, owner: Person) -> str:
    answer = await client.post(f"{owner.url}/invitations", json={}, headers=owner.headers)
    return str(answer.json()["id"])


async def _rate_day(client: httpx.AsyncClient, owner: Person) -> str:
    await client.put(f"{owner.url}/rates/EUR/USD/2026-11-20", json={"rate": "1.08"}, headers=owner.headers)
    return "2026-11-20"


async def _base(_: httpx.AsyncClient, __: Person) -> str:
    return "EUR"


async def _quote(_: httpx.AsyncClient, __: Person) -> str:
    return "USD"


async def _settlement(client: httpx.AsyncClient, owner: Person) -> str:
    people = (await client.get(f"{owner.url}/members", headers=owner.headers)).json()["items"]
    ids = [each["user_id"] for each in people if each["user_id"] != str(owner.user.id)]
    body = {"from_user_id": str(owner.user.id), "to_user_id": ids[0], **PAYMENT}
    answer = await client.post(f"{owner.url}/settlements", json=body, headers=owner.headers)
    return str(answer.json()["id"])


async def _token(client: httpx.AsyncClient, owner: Person) -> str:
    listed = await client.get("/api/v1/me/tokens", headers=owner.headers)
    return str(listed.json()["items"][0]["id"])


async def _browser(client: httpx.AsyncClient, owner: Person) -> str:
    listed = await client.get("/api/v1/me/sessions", headers=owner.headers)
    return str(listed.json()["items"][0]["id"])


async def _month(_: httpx.AsyncClient, __: Person) -> str:
    return "2026-11"


THINGS: dict[str, Callable[[httpx.AsyncClient, Person], Awaitable[str]]] = {
    "expense_id": _expense,
    "category_id": _category,
    "account_id": _account,
    "settlement_id": _settlement,
    "invitation_id": _invitation,
    "base": _base,
    "quote": _quote,
    "on": _rate_day,
    "month": _month,
    "user_id": _member,
    "token_id": _token,
    "session_id": _browser,
}
"""How to get something that a path can name, in the owner's workspace; called anew for each try."""

SPECIAL = {
    f"DELETE {API}/trash/{{expense_id}}": _trashed,
    f"POST {PAGES}/trash/{{expense_id:uuid}}/purge": _trashed,
}
"""Where a route needs something else than others do that name it alike."""


@dataclass(frozen=True)
class Route:
    """One route that names something."""

    method: str
    path: str
    action: Action | None

    @property
    def name(self) -> str:
        """How `BODIES` and failures call it."""
        return f"{self.method} {self.path}"

    @property
    def is_page(self) -> bool:
        """Whether it takes forms and cookies rather than JSON and tokens."""
        return not self.path.startswith("/api/")

    @property
    def names_a_thing(self) -> bool:
        """Whether its path has the id of something in the workspace."""
        return self.path.replace("workspace_id", "").count("_id") > 0

    async def address(self, client: httpx.AsyncClient, owner: Person, *, within: Person | None = None) -> str:
        """An address of this route that names something of the owner's.

        Args:
            within: Whose workspace the address claims it to be in; the owner's unless said otherwise.
        """
        path = self.path.replace(":uuid}", "}")
        names = {"workspace_id": str((within or owner).workspace.id)}
        for name in (part.strip("{}") for part in path.split("/") if part.startswith("{")):
            if name not in names:
                assert name in THINGS, f"say in THINGS how to get a {name}, for {self.name}"
                names[name] = await SPECIAL.get(self.name, THINGS[name])(client, owner)
        return path.format_map(names) + QUERIES.get(self.name, "")


def routes_of(app: FastAPI) -> list[Route]:
    """All routes below a workspace, pages too."""
    return [route for route in named_routes_of(app) if route.path.startswith(("/api/v1/workspaces/{", "/w/{"))]


def named_routes_of(app: FastAPI) -> list[Route]:
    """All routes with a name in their path, whatever it is of; files, which are for everybody, left out."""
    return [
        Route(method, route.path, _declared(route))
        for route in flat(app.routes)
        if "{" in route.path and not route.path.startswith("/static/")
        for method in sorted(route.methods or ())
    ]


def flat(routes: Iterable[routing.BaseRoute]) -> Iterator[routing.Route]:
    """Every route that answers requests by their method."""
    return (route for route in routes if isinstance(route, routing.Route))


def _declared(route: object) -> Action | None:
    name = (getattr(route, "openapi_extra", None) or {}).get("x-action")
    return Action[name.upper()] if name else None
