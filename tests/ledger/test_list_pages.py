"""All expenses and the trash on pages: found, explained, taken back, deleted for ever."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from tests.browsing import Window, open_window, path_of

from expenses.ledger import list_pages
from expenses.ledger.search import NAMED

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from tests.people import People, Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def window(app: FastAPI, client: httpx.AsyncClient, anna: Person) -> Window:
    return await open_window(app, client, anna)


async def test_expenses_of_all_months_are_found_page_by_page_with_the_search_in_the_address(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_pages, "ROWS", 2)
    assert "No expenses yet." in (await window.get(f"{window.home}/expenses")).text
    for number in range(1, 4):
        await window.add(merchant=f"Café <{number}>", spent_on=f"2026-0{number}-01")
    await window.add(merchant="Elsewhere", spent_on="2025-01-01")
    first = (await window.get(f"{window.home}/expenses?q=caf%C3%A9+from%3A2026")).text
    assert 'value="café from:2026"' in first
    assert re.findall(r"Café &lt;(\d)&gt;</a>", first) == ["3", "2"]
    found = re.search(r'href="(expenses\?[^"]*after=[^"]*)"', first)
    assert found
    second = (await window.get(f"{window.home}/{html.unescape(found[1])}")).text
    assert re.findall(r"Café &lt;(\d)&gt;</a>", second) == ["1"]
    assert "Next page" not in second
    assert "Nothing fits." in (await window.get(f"{window.home}/expenses?q=nowhere")).text
    assert (await window.get(f"{window.home}/expenses?after=x")).status_code == 404


async def test_a_search_that_makes_no_sense_is_explained_beside_its_field(window: Window) -> None:
    await window.add()
    for path in ("expenses", "months/2026-11"):
        answer = await window.client.get(f"{window.home}/{path}?q=colour%3Ared", follow_redirects=True)
        assert answer.status_code == 422
        assert 'id="q-error"' in answer.text
        assert "there is no operator `colour`" in answer.text
        assert 'value="colour:red"' in answer.text


async def test_the_help_names_every_operator(window: Window) -> None:
    text = (await window.get(f"{window.home}/expenses")).text
    assert [name for name in NAMED if not re.search(rf"<code>[^<]*\b{name}\b", text)] == []


async def test_what_was_deleted_is_restored_or_deleted_for_ever(window: Window) -> None:
    assert "The trash is empty." in (await window.get(f"{window.home}/trash")).text
    back, gone = await window.add(merchant="Back <again>"), await window.add(merchant="Gone")
    for path in (back, gone):
        await window.post(f"{path}/delete")
    assert "Back &lt;again&gt;" in (await window.get(f"{window.home}/trash")).text
    for path, action, said in [(back, "restore", "Taken out of the trash."), (gone, "purge", "Deleted for ever.")]:
        answer = await window.post(f"{window.home}/trash/{path.rpartition('/')[2]}/{action}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{window.home}/trash")
        assert said in (await window.get(f"{window.home}/trash")).text
    assert "The trash is empty." in (await window.get(f"{window.home}/trash")).text
    assert (await window.get(back)).status_code == 200
    assert (await window.get(gone)).status_code == 404


async def test_only_who_may_sees_the_buttons(
    app: FastAPI, client: httpx.AsyncClient, window: Window, people: People
) -> None:
    path = await window.add()
    await window.post(f"{path}/delete")
    for role, may_restore in [("member", True), ("viewer", False)]:
        person = await people.sign_up()
        await people.join(person, window.person.workspace, role)  # type: ignore[arg-type]  # two of the roles
        text = (await (await open_window(app, client, person)).get(f"{path_of(window.person.workspace)}/trash")).text
        assert ("/restore" in text) == may_restore
        assert "/purge" not in text
