"""Registration and workspaces over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from sqlalchemy import text
from tests.ledger.recording import record
from tests.people import PASSWORD, Clock, People, Person

from expenses.accounts import throttle
from expenses.app import create_app
from expenses.config import Settings

if TYPE_CHECKING:
    from expenses.db import Session

pytestmark = pytest.mark.anyio

HOSTILE = ["<script>alert(1)</script>", "'; DROP TABLE workspace; --", "{{7*7}}", "%s%n", "' OR ''='"]
UNUSABLE = ["", "   ", "a\x00b", "\x00", "two\nlines", "\ud800", "x" * 1_000_000]


async def register(client: httpx.AsyncClient, **changes: object) -> httpx.Response:
    draft: dict[str, object] = {"email": "new@example.org", "password": PASSWORD, "display_name": "New"}
    return await post(client, "/api/v1/auth/register", draft | changes)


async def post(client: httpx.AsyncClient, path: str, draft: object, **headers: str) -> httpx.Response:
    body = json.dumps(draft)  # httpx's own way would refuse half a surrogate pair, which a hostile client sends
    return await client.post(path, content=body, headers={"Content-Type": "application/json", **headers})


async def counts(session: Session) -> tuple[Any, ...]:
    query = "SELECT (SELECT count(*) FROM user_account), (SELECT count(*) FROM workspace), count(*) FROM membership"
    return tuple((await session.execute(text(query))).one())


async def test_registration_makes_an_account_and_a_workspace_that_it_owns(client: httpx.AsyncClient) -> None:
    answer = await register(client, email="  New@Example.ORG ")
    assert answer.status_code == 201, answer.text
    assert answer.json()["user"]["email"] == "new@example.org"
    assert answer.json()["workspace"]["role"] == "owner"
    form = {"username": "NEW@example.org", "password": PASSWORD}
    signed_in = await client.post("/api/v1/auth/token", data=form)
    assert signed_in.status_code == 200, signed_in.text
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    me = (await client.get("/api/v1/me", headers=headers)).json()
    assert me["id"] == answer.json()["user"]["id"]
    assert me["workspaces"] == [answer.json()["workspace"]]


async def test_without_a_name_it_is_what_stands_before_the_at(client: httpx.AsyncClient) -> None:
    for email, given, name in (("a@x.org", None, "a"), ("b@x.org", "", "b"), ("c@x.org", " Cleo ", "Cleo")):
        answer = await register(client, email=email, display_name=given)
        assert answer.json()["user"]["display_name"] == name


async def test_of_registrations_of_one_address_at_once_one_succeeds(
    client: httpx.AsyncClient, session: Session
) -> None:
    answers: list[httpx.Response] = []

    async def try_it(email: str) -> None:
        answers.append(await register(client, email=email))

    async with anyio.create_task_group() as tasks:
        for email in ("twin@example.org", "Twin@Example.org", "TWIN@EXAMPLE.ORG"):
            tasks.start_soon(try_it, email)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert await counts(session) == (1, 1, 1)


async def test_a_taken_address_answers_409_and_leaves_nothing_behind(
    client: httpx.AsyncClient, anna: Person, session: Session
) -> None:
    answer = await register(client, email="ANNA@example.org", password="another password")
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert answer.json()["errors"] == [{"field": "email", "detail": answer.json()["detail"]}]
    assert "another password" not in answer.text
    assert await counts(session) == (1, 1, 1)
    assert (await client.get("/api/v1/me", headers=anna.headers)).json()["display_name"] == "Anna"


async def test_closed_registration_tells_nobody_which_addresses_are_taken(database: str) -> None:
    app = create_app(Settings(database_url=database))  # type: ignore[arg-type]  # pydantic makes the secret
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://testserver") as client,
    ):
        await People(app).sign_up("anna@example.org")
        answers = [await register(client, email=email) for email in ("anna@example.org", "new@example.org")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["code"] == "registration_closed"


async def test_registrations_from_one_address_are_slowed_down(
    client: httpx.AsyncClient, session: Session, clock: Clock
) -> None:
    for _ in range(throttle.REGISTRATION.burst):
        await throttle.count_attempt(session, limit=throttle.REGISTRATION, subject="127.0.0.1", now=clock())
    refused = await register(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    clock.turn(timedelta(seconds=60))
    assert (await register(client)).status_code == 201


BAD_REGISTRATIONS: list[tuple[dict[str, Any], str]] = [
    ({"email": "anna"}, "email"),
    ({"email": "anna@example.org\x00"}, "email"),
    ({"email": "\ud800@example.org"}, "email"),
    ({"email": "x" * 1_000_000}, "email"),
    ({"email": None}, "email"),
    ({"email": {"$ne": ""}}, "email"),
    ({"password": "short"}, "password"),
    ({"password": "x" * 1_000_000}, "password"),
    ({"password": "long enough \ud800"}, "password"),
    ({"password": 1234567890}, "password"),
    ({"display_name": "a\x00b"}, "display_name"),
    ({"display_name": "x" * 1_000_000}, "display_name"),
    ({"display_name": ["a"]}, "display_name"),
    *(({"email": hostile}, "email") for hostile in HOSTILE),
]


async def test_a_registration_with_bad_input_names_the_field_and_makes_nothing(
    client: httpx.AsyncClient, session: Session
) -> None:
    for changes, field in BAD_REGISTRATIONS:
        answer = await register(client, **changes)
        assert answer.status_code == 422, repr(changes)[:80]
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert [error["field"] for error in answer.json()["errors"]] == [field], repr(changes)[:80]
        assert len(answer.content) < 1000
    assert await counts(session) == (0, 0, 0)


async def test_a_body_that_is_no_registration_is_malformed(client: httpx.AsyncClient) -> None:
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b"{}" * 500_000):
        answer = await client.post("/api/v1/auth/register", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, body[:10]
        assert answer.json()["code"] == "malformed"


async def test_hostile_names_come_back_as_they_were(client: httpx.AsyncClient, anna: Person) -> None:
    for number, hostile in enumerate(HOSTILE):
        made = await register(client, email=f"hostile{number}@example.org", display_name=hostile)
        assert made.json()["user"]["display_name"] == hostile
        draft = {"name": hostile}
        assert (await client.post("/api/v1/workspaces", json=draft, headers=anna.headers)).json()["name"] == hostile
    names = [item["name"] for item in (await client.get("/api/v1/workspaces", headers=anna.headers)).json()["items"]]
    assert sorted(names) == sorted(["Home", *HOSTILE])


async def test_a_workspace_belongs_to_who_made_it(client: httpx.AsyncClient, anna: Person) -> None:
    draft = {"name": "  Shop ", "kind": "company", "base_currency": "JPY", "time_zone": "Asia/Tokyo"}
    answer = await client.post("/api/v1/workspaces", json=draft, headers=anna.headers)
    assert answer.status_code == 201
    assert answer.json() | draft == answer.json() | {"name": "  Shop "}
    assert (answer.json()["name"], answer.json()["role"]) == ("Shop", "owner")
    me = (await client.get("/api/v1/me", headers=anna.headers)).json()
    assert answer.json() in me["workspaces"]


BAD_WORKSPACES: list[tuple[dict[str, Any], str]] = [
    *(({"name": name}, "name") for name in UNUSABLE),
    ({"kind": "tribe"}, "kind"),
    ({"base_currency": "EURO"}, "base_currency"),
    ({"base_currency": "eur"}, "base_currency"),
    ({"base_currency": "XXX"}, "base_currency"),
    ({"base_currency": "BGN"}, "base_currency"),
    ({"base_currency": "\x00\x00\x00"}, "base_currency"),
    ({"time_zone": "Europe/Atlantis"}, "time_zone"),
    ({"time_zone": "../../etc/passwd"}, "time_zone"),
    ({"time_zone": "\x00"}, "time_zone"),
]


async def test_a_workspace_with_bad_input_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for changes, field in BAD_WORKSPACES:
        answer = await post(client, "/api/v1/workspaces", {"name": "Shop"} | changes, **anna.headers)
        assert answer.status_code == 422, repr(changes)[:80]
        assert [error["field"] for error in answer.json()["errors"]] == [field], repr(changes)[:80]
    assert len((await client.get("/api/v1/workspaces", headers=anna.headers)).json()["items"]) == 1


async def test_strangers_cannot_tell_whether_a_workspace_exists(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    nowhere = f"/api/v1/workspaces/{ben.user.id}/members"
    answers = [await client.get(path, headers=ben.headers) for path in (f"{anna.url}/members", nowhere)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert (await client.get("/api/v1/workspaces/no-uuid/members", headers=ben.headers)).status_code == 422


async def test_members_see_each_other_with_their_roles(
    client: httpx.AsyncClient, anna: Person, people: People, clock: Clock
) -> None:
    ben = await people.sign_up("ben@example.org", "Ben")
    clock.turn(timedelta(seconds=1))
    await people.join(ben, anna.workspace, "viewer")
    answer = await client.get(f"{anna.url}/members", headers=ben.headers)
    assert [(member["email"], member["role"]) for member in answer.json()["items"]] == [
        ("anna@example.org", "owner"),
        ("ben@example.org", "viewer"),
    ]
    theirs = (await client.get("/api/v1/me", headers=ben.headers)).json()["workspaces"]
    assert sorted(workspace["role"] for workspace in theirs) == ["owner", "viewer"]


async def test_what_holds_for_a_workspace_can_be_changed_and_is_on_record(
    client: httpx.AsyncClient, anna: Person
) -> None:
    draft = {"name": " Casa ", "kind": "company", "base_currency": "JPY", "time_zone": "Asia/Tokyo"}
    changed = await client.patch(anna.url, json=draft, headers=anna.headers)
    assert changed.json() | draft == changed.json() | {"name": " Casa "}
    assert changed.json()["name"] == "Casa"
    assert (await client.get(anna.url, headers=anna.headers)).json() == changed.json()
    same = await client.patch(anna.url, json={"name": "Casa"}, headers=anna.headers)
    assert same.json() == changed.json()
    (event,) = (await client.get(f"{anna.url}/audit", headers=anna.headers)).json()["items"]
    assert (event["entity"], event["action"], event["before"]["name"]) == ("workspace", "change", "Home")
    assert event["after"]["base_currency"] == "JPY"


async def test_the_base_currency_stays_once_there_are_expenses(client: httpx.AsyncClient, anna: Person) -> None:
    expense = await record(client, anna)
    await client.delete(f"{anna.url}/expenses/{expense['id']}", headers=anna.headers)
    refused = await client.patch(anna.url, json={"name": "X", "base_currency": "USD"}, headers=anna.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "base_currency_in_use")
    assert (await client.get(anna.url, headers=anna.headers)).json()["name"] == "Home"
    same = await client.patch(anna.url, json={"name": "X", "base_currency": "EUR"}, headers=anna.headers)
    assert same.status_code == 200


async def test_a_bad_change_of_a_workspace_is_refused(client: httpx.AsyncClient, anna: Person) -> None:
    for changes, field in [*BAD_WORKSPACES, ({"nmae": "x"}, "nmae")]:
        body = json.dumps(changes)
        answer = await client.patch(
            anna.url, content=body, headers={"Content-Type": "application/json", **anna.headers}
        )
        assert answer.status_code == 422, repr(changes)[:80]
        assert [error["field"] for error in answer.json()["errors"]] == [field], repr(changes)[:80]


async def test_a_new_workspace_begins_its_record_with_itself(client: httpx.AsyncClient, anna: Person) -> None:
    made = (await client.post("/api/v1/workspaces", json={"name": "Shop"}, headers=anna.headers)).json()
    listed = await client.get(f"/api/v1/workspaces/{made['id']}/audit", headers=anna.headers)
    found = sorted((item["entity"], item["action"], item["actor_id"]) for item in listed.json()["items"])
    assert found == [("member", "join", str(anna.user.id)), ("workspace", "create", str(anna.user.id))]
