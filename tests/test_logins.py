"""Who logs in: an owner who is no superuser, and a login for the service that owns nothing."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url
from tests.conftest import execute
from tests.ledger.recording import record
from tests.migrations import migrate
from tests.people import Clock, People

from expenses.app import create_app
from expenses.cli import cli
from expenses.config import Settings
from expenses.console import TURNED_AWAY, CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgres import Cluster

pytestmark = pytest.mark.anyio

SERVICE, KEEPER = "expenses_service", "keeper"


@pytest.fixture
def urls(cluster: Cluster, template_database: str) -> Iterator[dict[str, str]]:
    """The URLs of two who can log in and nothing more, and of the superuser; one of the two owns an empty database."""
    assert template_database  # its migrations have made the role, so that it is there, and not the owner's
    here = make_url(cluster.database_url("kept"))
    for name in (SERVICE, KEEPER):
        execute(cluster.url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    execute(cluster.url, f"CREATE DATABASE kept OWNER {KEEPER}")
    urls = {
        name: here.set(username=name, password="secret").render_as_string(hide_password=False)
        for name in (SERVICE, KEEPER)
    }
    yield urls | {"superuser": cluster.database_url("kept")}
    execute(cluster.url, "DROP DATABASE kept WITH (FORCE)")
    for name in (SERVICE, KEEPER):
        execute(cluster.url, f"DROP ROLE {name}")


async def test_an_owner_who_is_no_superuser_and_a_service_that_owns_nothing_suffice(urls: dict[str, str]) -> None:
    with pytest.raises(RuntimeError, match="may not make roles") as refused:
        await asyncio.to_thread(migrate, urls[KEEPER], "head")
    help_ = re.search(r"run this once: (.*); then", str(refused.value))
    assert help_
    execute(urls["superuser"], help_[1].removeprefix("CREATE ROLE expenses_app NOLOGIN; "))
    await asyncio.to_thread(migrate, urls[KEEPER], "head")

    await asyncio.to_thread(purge, DATABASE_URL=urls[KEEPER])
    execute(urls["superuser"], f"GRANT expenses_app TO {SERVICE}")
    app = create_app(Settings(database_url=urls[SERVICE], secure_cookies=True))  # type: ignore[arg-type]  # pydantic makes the secret
    app.state.clock = Clock()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://testserver") as client,
    ):
        assert (await client.get("/health")).json()["schema"]["state"] == "current"
        anna = await People(app).sign_up()
        await record(client, anna)
        assert len((await client.get(f"{anna.url}/expenses", headers=anna.headers)).json()["items"]) == 1

    with pytest.raises(CommandFailed, match="sees nothing") as failed:
        await asyncio.to_thread(purge, DATABASE_URL=urls[SERVICE])
    assert failed.value.exit_code == TURNED_AWAY
    assert "TIDEGATE_DATABASE_URL" in failed.value.hint
    await asyncio.to_thread(purge, DATABASE_URL=urls[SERVICE], TIDEGATE_DATABASE_URL=urls[KEEPER])


def purge(**environment: str) -> None:
    CliRunner().invoke(cli, ["purge-trash"], env=environment, catch_exceptions=False)
