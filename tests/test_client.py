"""A client generated from `/api/openapi.json` lives through the whole life of an expense."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.people import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

pytestmark = [pytest.mark.anyio, pytest.mark.api]

GENERATOR = Path(sys.executable).parent / "openapi-python-client"
PACKAGE = "generated_expenses_client"


class Generated:
    """The generated package: its operations by name, its models by name."""

    def __init__(self) -> None:
        self.package: Any = importlib.import_module(PACKAGE)
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")

    def operation(self, tag: str, name: str) -> Any:  # noqa: ANN401 - it did not exist when mypy looked
        """A function that calls the API and answers with status, headers and the parsed body."""
        return importlib.import_module(f"{PACKAGE}.api.{tag}.{name}").asyncio_detailed


@pytest.fixture
def generated(app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Generated]:
    (tmp_path / "openapi.json").write_text(json.dumps(app.openapi()), encoding="utf-8")
    # The one route that takes a file takes it as it is; the generator has to be told that a CSV is such a thing.
    settings = "post_hooks: []\ncontent_type_overrides: {text/csv: application/octet-stream}\n"
    (tmp_path / "settings.yaml").write_text(settings, encoding="utf-8")
    arguments = ["--path", "openapi.json", "--config", "settings.yaml", "--meta", "none", "--output-path", PACKAGE]
    done = subprocess.run(
        [str(GENERATOR), "generate", "--fail-on-warning", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Generated()
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


async def test_a_generated_client_lives_through_the_life_of_an_expense(app: FastAPI, generated: Generated) -> None:
    models, call = generated.models, generated.operation
    transport: dict[str, Any] = {
        "base_url": "https://testserver",
        "httpx_args": {"transport": httpx.ASGITransport(app)},
    }
    async with generated.package.Client(**transport) as stranger:
        form = models.Registration(email="anna@example.org", password=PASSWORD, display_name="Anna")
        registered = (await call("workspaces", "register")(client=stranger, body=form)).parsed
        credentials = models.BodyIssueToken(username="anna@example.org", password=PASSWORD, grant_type="password")
        issued = (await call("accounts", "issue_token")(client=stranger, body=credentials)).parsed
    home = registered.workspace.id
    async with generated.package.AuthenticatedClient(token=issued.access_token, **transport) as client:
        draft = models.ExpenseIn.from_dict(
            {"spent_on": "2026-11-01", "amount": {"value": "12.50", "currency": "EUR"}, "merchant": "Corner Bakery"}
        )
        add = call("ledger", "add_expense")
        made = await add(home, client=client, body=draft, idempotency_key="one")
        again = await add(home, client=client, body=draft, idempotency_key="one")
        assert (made.status_code, made.parsed.merchant) == (201, "Corner Bakery")
        assert again.parsed == made.parsed

        listed = (await call("ledger", "list_expenses")(home, client=client)).parsed
        assert [each.id for each in listed.items] == [made.parsed.id]

        change = call("ledger", "change_expense")
        patch = models.ExpensePatch(note="for the party")
        where, tag = {"client": client, "workspace_id": home, "expense_id": made.parsed.id}, made.headers["ETag"]
        changed = await change(**where, body=patch, if_match=tag)
        assert (changed.status_code, changed.parsed.note) == (200, "for the party")
        late = await change(**where, body=models.ExpensePatch(note="too late"), if_match=tag)
        assert (late.status_code, late.parsed.code) == (412, "precondition_failed")

        gone = await call("ledger", "delete_expense")(**where, if_match=changed.headers["ETag"])
        assert gone.status_code == 204
        missing = await call("ledger", "get_expense")(**where)
        assert (missing.status_code, missing.parsed.code) == (404, "not_found")
        restored = await call("ledger", "restore_expense")(**where)
        assert (restored.status_code, restored.parsed.note) == (200, "for the party")

        page = (await call("ledger", "list_categories")(home, client=client, limit=1)).parsed
        following = (await call("ledger", "list_categories")(home, client=client, limit=1, cursor=page.next_)).parsed
        assert page.items[0].id != following.items[0].id
        where = {"client": client, "workspace_id": home, "category_id": page.items[0].id}
        seen = (await call("ledger", "get_category")(**where)).headers["ETag"]
        color = models.CategoryPatch(color="#000000")
        for version, status in ((seen, 200), (seen, 412)):
            answer = await call("ledger", "change_category")(**where, body=color, if_match=version)
            assert answer.status_code == status

        report = await call("reports", "get_monthly_report")(home, client=client, month="2026-11")
        assert report.status_code == 200
        assert report.parsed.totals[0].to_dict() == {"value": "12.50", "currency": "EUR"}
