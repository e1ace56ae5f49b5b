"""Who sees and changes what: strangers learn nothing, viewers change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from tests.ledger.recording import COFFEE, category_ids, record

if TYPE_CHECKING:
    import httpx
    from tests.people import People, Person

    from expenses.workspaces.model import Role

pytestmark = pytest.mark.anyio


async def test_strangers_find_nothing_and_change_nothing(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    expense = await record(client, anna)
    categories = await category_ids(client, anna)
    theirs = f"expenses/{expense['id']}"
    category = f"categories/{categories['Coffee']}"
    for base, path_status in [(anna.url, 404), (ben.url, 404)]:
        for method, path, body in [
            ("GET", theirs, None),
            ("PATCH", theirs, {"note": "x"}),
            ("DELETE", theirs, None),
            ("POST", f"{theirs}/restore", None),
            ("PATCH", category, {"name": "x"}),
            ("DELETE", category, None),
        ]:
            answer = await client.request(method, f"{base}/{path}", json=body, headers=ben.headers)
            assert (answer.status_code, answer.json()["code"]) == (path_status, "not_found"), (method, path)
    for path, body in [("expenses", COFFEE), ("categories", {"name": "x"})]:
        assert (await client.post(f"{anna.url}/{path}", json=body, headers=ben.headers)).status_code == 404
        assert (await client.get(f"{anna.url}/{path}", headers=ben.headers)).status_code == 404
    bad_cursor = await client.get(f"{anna.url}/expenses?cursor=x", headers=ben.headers)
    assert bad_cursor.status_code == 404
    nowhere = await client.get(f"/api/v1/workspaces/{uuid4()}/expenses", headers=ben.headers)
    assert nowhere.json() == bad_cursor.json()
    assert (await client.get(f"{anna.url}/{theirs}", headers=anna.headers)).json() == expense


async def test_another_workspaces_category_cannot_be_used(
    client: httpx.AsyncClient, anna: Person, people: People
) -> None:
    ben = await people.sign_up()
    hers = (await category_ids(client, anna))["Coffee"]
    answer = await client.post(f"{ben.url}/expenses", json=COFFEE | {"category_id": hers}, headers=ben.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_category")
    assert "Coffee" not in answer.text
    listed = await client.get(f"{ben.url}/expenses", params={"category_id": hers}, headers=ben.headers)
    assert listed.json()["items"] == []
    for answer in (
        await client.post(f"{ben.url}/categories", json={"name": "x", "parent_id": hers}, headers=ben.headers),
        await client.post(f"{ben.url}/expenses", json=COFFEE | {"payer_id": str(anna.user.id)}, headers=ben.headers),
    ):
        assert answer.status_code == 422


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("member", 201), ("admin", 201)])
async def test_viewers_read_and_members_write(
    client: httpx.AsyncClient, anna: Person, people: People, *, role: Role, status: int
) -> None:
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, role)
    expense = await record(client, anna)
    url = f"{anna.url}/expenses"
    assert (await client.get(url, headers=ben.headers)).json()["items"] == [expense]
    assert (await client.get(f"{anna.url}/categories", headers=ben.headers)).status_code == 200
    assert (await client.post(url, json=COFFEE, headers=ben.headers)).status_code == status
    may_write = status == 201
    for method, path, body, done in [
        ("PATCH", f"expenses/{expense['id']}", {"note": "x"}, 200),
        ("DELETE", f"expenses/{expense['id']}", None, 204),
        ("POST", f"expenses/{expense['id']}/restore", None, 200),
        ("POST", "categories", {"name": "New"}, 201),
    ]:
        answer = await client.request(method, f"{anna.url}/{path}", json=body, headers=ben.headers)
        assert answer.status_code == (done if may_write else 403), (method, path)
    paid = await client.post(url, json=COFFEE | {"payer_id": str(ben.user.id)}, headers=anna.headers)
    assert paid.json()["payer_id"] == str(ben.user.id)
