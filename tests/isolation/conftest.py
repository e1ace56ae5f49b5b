"""Somebody's workspace with somebody in each role, a stranger, and a look at everything that the database holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
import pytest
from tests.workspaces.stage import STRANGER, Stage, set_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from fastapi import FastAPI
    from tests.people import People

    from expenses.db import Session


@dataclass(frozen=True)
class Everything:
    """What the whole database holds, as its owner sees it, table by table."""

    connection: psycopg2.extensions.connection

    def now(self) -> dict[str, str]:
        """A digest of each table's rows; what differs between two of these was changed in between."""
        digest = "SELECT '{0}', coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM {0} t"
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            cursor.execute(" UNION ALL ".join(digest.format(name) for (name,) in cursor.fetchall()))
            return dict(cursor.fetchall())


@pytest.fixture
async def stage(app: FastAPI, client: httpx.AsyncClient, session: Session, people: People) -> Stage:
    """Everybody, each already seen at this moment of the standing clock: no try below is noted as a use."""
    stage = await set_stage(app, client, session, people)
    for who in ("owner", STRANGER):
        window = await stage.window(who)
        cookie = {"Cookie": f"__Host-expenses_session={window.token}"}
        for headers in (cookie, stage.cast[who].headers):
            assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
    return stage


@pytest.fixture
def everything(database: str) -> Iterator[Everything]:
    """A look at the whole database, whenever asked."""
    connection = psycopg2.connect(database)
    connection.autocommit = True
    yield Everything(connection)
    connection.close()
