"""Whatever two people can change has a version, and of two who saw the same one only the first changes it.

The routes are found in `/api/openapi.json`: one that changes something in a workspace takes `If-Match`, or this fails.
What is below `/me` nobody else changes; tokens and sessions cannot even be changed, only ended, once and for all.
`If-None-Match`: `test_etags`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.recording import COFFEE
from tests.workspaces.routes import API, PAYMENT

from expenses.app import create_app
from expenses.config import Settings

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

PATHS = create_app(Settings(database_url="postgresql://127.0.0.1/none")).openapi()["paths"]  # type: ignore[arg-type]  # pydantic makes the secret

STALE = '"0123456789abcdef0123456789abcdef"'


@dataclass(frozen=True)
class Thing:
    """One kind of what two people can change, and how it is made and changed."""

    make: tuple[str, str, dict[str, Any]]
    """Method, address below the workspace, and body; `{ben}` is a member's id."""
    at: str = "{id}"
    """Its address below that one; `{id}` is what the answer says."""
    changes: tuple[dict[str, Any], ...] = ()
    """Bodies of three changes that can follow each other; none if it cannot be changed, only taken away."""
    method: str = "PATCH"
    has_end: bool = True
    """Whether `DELETE` takes it away."""


PAYMENT_TO_BEN = {"from_user_id": "{anna}", "to_user_id": "{ben}", **PAYMENT}

THINGS = {
    "expense": Thing(("POST", "/expenses", COFFEE), changes=tuple({"note": each} for each in "abc")),
    "category": Thing(
        ("POST", "/categories", {"name": "Fresh"}), changes=tuple({"color": f"#00000{each}"} for each in "123")
    ),
    "payment account": Thing(
        ("POST", "/payment-accounts", {"name": "Card"}), changes=tuple({"name": each} for each in "abc")
    ),
    "rate": Thing(
        ("PUT", "/rates/EUR/USD/2026-11-20", {"rate": "1.10"}),
        at="",
        changes=tuple({"rate": each} for each in ("1.2", "1.30", "1.4")),
        method="PUT",
    ),
    "settlement": Thing(("POST", "/settlements", PAYMENT_TO_BEN)),
    "invitation": Thing(("POST", "/invitations", {})),
    "member": Thing(
        ("GET", "/members/{ben}", {}), at="", changes=tuple({"role": each} for each in ("viewer", "admin", "member"))
    ),
    "workspace": Thing(("GET", "", {}), at="", changes=tuple({"name": each} for each in "abc"), has_end=False),
}


@dataclass(frozen=True)
class Home:
    """Anna's workspace, to which Ben belongs."""

    client: httpx.AsyncClient
    anna: Person
    ben: Person

    async def asked(self, method: str, url: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """What Anna is answered."""
        known = {name.replace("_", "-"): value for name, value in headers.items()}
        json = None if method in {"GET", "DELETE"} else body
        return await self.client.request(method, url, json=json, headers=self.anna.headers | known)

    async def made(self, thing: Thing) -> tuple[str, str]:
        """The address of a new one, and its version."""
        ids = {"{anna}": str(self.anna.user.id), "{ben}": str(self.ben.user.id)}
        method, path, said = thing.make
        body = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in said.items()}
        url = self.anna.url + path.replace("{ben}", ids["{ben}"])
        answer = await self.asked(method, url, body)
        assert answer.is_success, answer.text
        own = f"{url}/{answer.json()['id']}" if thing.at else url
        assert answer.headers.get("Location", own) == own
        return own, answer.headers["ETag"]

    async def state(self, url: str) -> tuple[Any, ...]:
        """The thing, its version, and how much has been done in the workspace."""
        shown = await self.asked("GET", url)
        record = await self.asked("GET", f"{self.anna.url}/audit?limit=200")
        return shown.status_code, shown.json(), shown.headers.get("ETag"), len(record.json()["items"])


@pytest.fixture
async def home(client: httpx.AsyncClient, people: People, anna: Person) -> Home:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    return Home(client, anna, ben)


def test_every_route_that_changes_or_shows_one_thing_of_a_workspace_tells_versions() -> None:
    wrong, tried = [], 0
    for path, methods in PATHS.items():
        if not path.startswith("/api/v1/workspaces") or "/reports/" in path:
            continue
        for method, operation in methods.items():
            takes = "if-match" in {each["name"].lower() for each in operation.get("parameters", [])}
            answers = operation["responses"]
            shows_one = path.endswith("}") and "204" not in answers and method != "delete"
            tells = [status for status, each in answers.items() if "ETag" in each.get("headers", {})]
            if takes != ("412" in answers) or (method in {"put", "patch", "delete"} and not takes):
                wrong.append(f"{method} {path} takes no If-Match, or does not say what comes of it")
            if (shows_one or (method == "post" and "201" in answers)) != bool(tells) and not takes:
                wrong.append(f"{method} {path} answers without an ETag, or with one of nothing")
            tried += 1
    assert wrong == []
    assert tried > 45


@pytest.mark.anyio
async def test_a_stale_version_changes_nothing_and_the_current_one_does(home: Home) -> None:
    for name, thing in THINGS.items():
        url, first = await home.made(thing)
        current = first
        if thing.changes:
            changed = await home.asked(thing.method, url, thing.changes[0])
            current = changed.headers["ETag"]
            assert current != first, name
        before = await home.state(url)
        assert before[2] == current, name
        tries = [(thing.method, thing.changes[1])] if thing.changes else []
        tries += [("DELETE", {})] if thing.has_end else []
        for method, body in tries:
            for stale in (first if thing.changes else STALE, STALE, f"W/{current}"):
                late = await home.asked(method, url, body, If_Match=stale)
                assert (late.status_code, late.json()["code"]) == (412, "precondition_failed"), (name, method, stale)
            broken = await home.asked(method, url, body, If_Match=f"{current}, {first}")
            assert (broken.status_code, broken.json()["code"]) == (422, "invalid"), (name, method)
            assert await home.state(url) == before, (name, method)
        assert (await home.asked("GET", url, If_None_Match=current)).status_code == 304, name
        assert (await home.asked("GET", url, If_None_Match=STALE)).status_code == 200, name
        for method, body in tries:
            done = await home.asked(method, url, body, If_Match=current)
            assert done.status_code in {200, 204}, (name, done.text)
            current = done.headers.get("ETag", "")
            assert current in {"", (await home.asked("GET", url)).headers.get("ETag")}, name


@pytest.mark.anyio
async def test_of_two_who_saw_the_same_version_exactly_one_changes_it(home: Home) -> None:
    for name, thing in THINGS.items():
        url, _ = await home.made(thing)
        if thing.changes:
            seen = (await home.asked(thing.method, url, thing.changes[0])).headers["ETag"]
            both = [home.asked(thing.method, url, each, If_Match=seen) for each in thing.changes[1:]]
            answers = await asyncio.gather(*both)
            assert sorted(each.status_code for each in answers) == [200, 412], name
            won = next(each for each in answers if each.status_code == 200)
            assert (await home.asked("GET", url)).json() == won.json(), name
        if thing.has_end:
            seen = (await home.asked("GET", url)).headers["ETag"]
            ends = await asyncio.gather(*(home.asked("DELETE", url, If_Match=seen) for _ in range(2)))
            assert sorted(each.status_code for each in ends) == [204, 404], name


@pytest.mark.anyio
async def test_a_workspace_is_handed_over_to_who_is_what_was_seen(home: Home) -> None:
    url = f"{home.anna.url}/members/{home.ben.user.id}"
    seen = (await home.asked("GET", url)).headers["ETag"]
    await home.asked("PATCH", url, {"role": "viewer"})
    late = await home.asked("POST", f"{url}/hand-over", If_Match=seen)
    assert (late.status_code, (await home.asked("GET", url)).json()["role"]) == (412, "viewer")
    done = await home.asked("POST", f"{url}/hand-over", If_Match=(await home.asked("GET", url)).headers["ETag"])
    assert (done.status_code, done.json()["role"]) == (200, "owner")
    assert done.headers["ETag"] == (await home.asked("GET", url)).headers["ETag"]


@pytest.mark.anyio
async def test_what_is_in_the_trash_goes_and_comes_back_by_its_version(home: Home) -> None:
    for method, path in (("DELETE", f"{home.anna.url}/trash/{{}}"), ("POST", f"{home.anna.url}/expenses/{{}}/restore")):
        url, first = await home.made(THINGS["expense"])
        await home.asked("DELETE", url)
        own = path.format(url.rpartition("/")[2])
        late = await home.asked(method, own, If_Match=first)
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed"), own
        done = await home.asked(method, own, If_Match='"2"')
        assert done.is_success, done.text


@pytest.mark.anyio
async def test_a_rate_that_is_not_there_has_no_version_to_change(home: Home) -> None:
    url = f"{home.anna.url}/rates/EUR/USD/2026-11-20"
    for version in ("*", STALE):
        assert (await home.asked("PUT", url, {"rate": "1.1"}, If_Match=version)).status_code == 412
    assert (await home.asked("GET", url)).status_code == 404
    assert (await home.asked("PUT", url, {"rate": "1.1"})).status_code == 200
    assert (await home.asked("PUT", url, {"rate": "1.2"}, If_Match="*")).status_code == 200


@pytest.mark.anyio
async def test_a_role_is_part_of_what_its_bearer_sees_of_a_workspace(home: Home) -> None:
    seen = await home.client.get(home.anna.url, headers=home.ben.headers)
    await home.asked("PATCH", f"{home.anna.url}/members/{home.ben.user.id}", {"role": "viewer"})
    known = home.ben.headers | {"If-None-Match": seen.headers["ETag"]}
    now = await home.client.get(home.anna.url, headers=known)
    assert (now.status_code, now.json()["role"]) == (200, "viewer")


def test_every_path_that_names_one_thing_is_tried() -> None:
    """`THINGS` above has one of each kind that can be changed."""
    changed = {
        path.removeprefix(API)
        for path, methods in PATHS.items()
        if path.startswith(API) and {"put", "patch", "delete"} & methods.keys()
    }
    assert changed == {
        "",
        *(f"/{each}" for each in ("expenses/{expense_id}", "trash/{expense_id}", "categories/{category_id}")),
        *(f"/{each}" for each in ("payment-accounts/{account_id}", "settlements/{settlement_id}")),
        *(f"/{each}" for each in ("invitations/{invitation_id}", "members/{user_id}", "rates/{base}/{quote}/{on}")),
    }
