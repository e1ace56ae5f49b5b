"""Each list of the API, turned by one row and by two: every row is met once, also while rows are added.

The lists are found in `/api/openapi.json`; a new one needs an entry in `MAKERS`, or this fails. What a cursor is:
`test_cursor`; how long pages can be: `test_bounds`; what the database reads for them: `test_plans`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.browsing import open_window
from tests.ledger.recording import record
from tests.test_bounds import lists
from tests.workspaces.routes import API

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio

CODES = ("USD", "CHF", "GBP", "SEK", "NOK", "DKK", "PLN", "AUD", "CAD", "NZD", "SGD", "HKD")


@dataclass
class Home:
    """Anna's workspace, to which Ben belongs, and a way to ask for what is in it."""

    app: FastAPI
    client: httpx.AsyncClient
    people: People
    anna: Person
    ben: Person
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def asked(self, path: str, *, as_ben: bool = False, **params: Any) -> httpx.Response:  # noqa: ANN401 - whatever a query may say
        """What one of the two is answered, about the own workspace."""
        who = self.ben if as_ben else self.anna
        url = path.format(workspace_id=who.workspace.id)
        return await self.client.get(url, params=ORDERS.get(path, {}) | params, headers=who.headers)

    async def sent(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What Anna does in her workspace, or with her account."""
        url = path if path.startswith("/api/") else f"{self.anna.url}/{path}"
        answer = await self.client.request(method, url, json=body, headers=self.anna.headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else {}


async def _expense(home: Home, number: int) -> None:
    await record(home.client, home.anna, merchant=f"Shop {number % 2}{number}", tags=[f"tag{number % 2}{number}"])


async def _trashed(home: Home, number: int) -> None:
    new = await record(home.client, home.anna, merchant=f"Shop {number}")
    await home.sent("DELETE", f"expenses/{new['id']}")


async def _category(home: Home, number: int) -> None:
    await home.sent("POST", "categories", {"name": f"Food {number}", "position": number % 2})


async def _account(home: Home, number: int) -> None:
    await home.sent("POST", "payment-accounts", {"name": f"{'Ää' if number % 2 else 'Zz'} card {number}"})


async def _settlement(home: Home, number: int) -> None:
    body = {"from_user_id": str(home.anna.user.id), "to_user_id": str(home.ben.user.id)}
    amount = {"value": "1.00", "currency": "EUR"}
    await home.sent("POST", "settlements", body | {"amount": amount, "paid_on": f"2026-11-0{1 + number % 2}"})


async def _balance(home: Home, number: int) -> None:
    code = CODES[7 * number % len(CODES)]
    split = {"mode": "even", "among": [str(each.user.id) for each in (home.anna, home.ben)]}
    await record(home.client, home.anna, amount={"value": "2.00", "currency": code}, split=split)


async def _rate(home: Home, number: int) -> None:
    await home.sent(
        "PUT", f"rates/{'EUR/USD' if number % 2 else 'USD/CHF'}/2026-10-{number % 28 + 1:02}", {"rate": "2"}
    )


async def _member(home: Home, _: int) -> None:
    await home.people.join(await home.people.sign_up(), home.anna.workspace, "member")


async def _former_member(home: Home, _: int) -> None:
    gone = await home.people.sign_up()
    await home.people.join(gone, home.anna.workspace, "member")
    await home.sent("DELETE", f"members/{gone.user.id}")


async def _invitation(home: Home, _: int) -> None:
    await home.sent("POST", "invitations", {})


async def _workspace(home: Home, number: int) -> None:
    await home.sent("POST", "/api/v1/workspaces", {"name": f"Place {number}"})


async def _token(home: Home, number: int) -> None:
    await home.sent("POST", "/api/v1/me/tokens", {"name": f"Token {number}"})


async def _browser(home: Home, _: int) -> None:
    async with httpx.AsyncClient() as browser:
        await open_window(home.app, browser, home.anna)


MAKERS: dict[str, Callable[[Home, int], Awaitable[None]]] = {
    f"{API}/audit": _expense,
    f"{API}/expenses": _expense,
    f"{API}/tags": _expense,
    f"{API}/merchants": _expense,
    f"{API}/trash": _trashed,
    f"{API}/categories": _category,
    f"{API}/payment-accounts": _account,
    f"{API}/settlements": _settlement,
    f"{API}/balances": _balance,
    f"{API}/rates": _rate,
    f"{API}/members": _member,
    f"{API}/former-members": _former_member,
    f"{API}/invitations": _invitation,
    "/api/v1/workspaces": _workspace,
    "/api/v1/me/tokens": _token,
    "/api/v1/me/events": _token,
    "/api/v1/me/sessions": _browser,
}
"""How each list gets one row more."""

OF_ONE_EXPENSE = {f"{API}/expenses/{{expense_id}}/history"}
"""`tests.history.test_api`: the list of the record of changes, of one thing."""

ORDERS = {f"{API}/merchants": {"order": "name"}}
"""What turns a list of suggestions into one of everything."""

LONGEST = {f"{API}/merchants": 50}
"""As many rows as all there are here, where a page without `limit` has fewer."""


MOST = 200
"""More rows than any list has here."""


@pytest.fixture
async def home(app: FastAPI, client: httpx.AsyncClient, people: People, anna: Person) -> Home:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    return Home(app, client, people, anna, ben)


async def walked(home: Home, path: str, size: int, between: Callable[[], Awaitable[None]] | None = None) -> list[str]:
    """All rows of a list, page by page, each as text."""
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await home.asked(path, limit=size, **cursor)
        assert answer.status_code == 200, (path, answer.text)
        page = answer.json()
        assert len(page["items"]) <= size, path
        assert page["items"], f"{path} ends with an empty page"
        seen += [str(each) for each in page["items"]]
        if page["next"] is None:
            return seen
        assert len(page["items"]) == size, path
        assert len(seen) < MOST, f"{path} does not come to an end"
        cursor = {"cursor": page["next"]}
        if between is not None and len(seen) <= 3 * size:
            await between()


async def test_every_list_is_turned_by_the_page_and_meets_each_row_once(home: Home) -> None:
    assert dict(lists(home.app)).keys() == MAKERS.keys() | OF_ONE_EXPENSE
    for path, make in MAKERS.items():
        for _ in range(4):
            await make(home, next(home.numbers))
        whole = [str(each) for each in (await home.asked(path, limit=LONGEST.get(path, 100))).json()["items"]]
        assert len(whole) >= 3, path
        assert await walked(home, path, 1) == whole, path

        async def more(make: Callable[[Home, int], Awaitable[None]] = make) -> None:
            await make(home, next(home.numbers))

        seen = await walked(home, path, 2, between=more)
        assert len(seen) == len(set(seen)), path
        assert [each for each in seen if each in whole] == whole, path


async def test_a_cursor_is_for_one_list_of_one_workspace(home: Home) -> None:
    cursors = {}
    for path, make in MAKERS.items():
        for _ in range(2):
            await make(home, next(home.numbers))
        cursors[path] = (await home.asked(path, limit=1)).json()["next"]
        assert cursors[path], path
    paths = list(MAKERS)
    for path, other in zip(paths, paths[1:] + paths[:1], strict=True):
        refused = {
            "of another list": await home.asked(path, cursor=cursors[other]),
            "of another workspace or person": await home.asked(path, as_ben=True, cursor=cursors[path]),
            "with a letter more": await home.asked(path, cursor=cursors[path] + "A"),
            "of nonsense": await home.asked(path, cursor="nonsense"),
        }
        for which, answer in refused.items():
            told = (answer.status_code, answer.json().get("code"))
            assert told == (422, "invalid_cursor"), (path, which)
    for path in ("categories", "payment-accounts"):
        other_filter = await home.asked(f"{API}/{path}", archived=True, cursor=cursors[f"{API}/{path}"])
        assert other_filter.json()["code"] == "invalid_cursor"


async def test_suggestions_have_no_following_page(home: Home) -> None:
    await _expense(home, 1)
    await _expense(home, 2)
    path = f"{home.anna.url}/merchants"
    listed = (await home.asked(f"{API}/merchants", limit=1)).json()
    assert [each["name"] for each in listed["items"]] == ["Shop 02"]
    for params in ({"cursor": listed["next"]}, {"order": "name", "q": "shop"}, {"order": "size"}):
        answer = await home.client.get(path, params=params, headers=home.anna.headers)
        assert answer.status_code == 422, params
    assert (await home.client.get(f"{path}?limit=1", headers=home.anna.headers)).json()["next"] is None
