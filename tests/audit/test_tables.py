"""That the record only grows, whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from tests.conftest import execute
from tests.ledger.recording import record

if TYPE_CHECKING:
    import httpx
    from tests.people import Person

pytestmark = pytest.mark.anyio

REWRITES = (
    "UPDATE audit_event SET actor_id = NULL",
    "DELETE FROM audit_event",
    "TRUNCATE audit_event",
    "UPDATE audit_seal SET events = 0",
    "DELETE FROM audit_seal",
    "TRUNCATE audit_seal",
    "TRUNCATE workspace CASCADE",
)

SEAL = """
INSERT INTO audit_seal SELECT id, 1, now(), 0, 0, 0, 0, '', '', '' FROM workspace
"""


@pytest.mark.parametrize("statement", REWRITES)
async def test_the_database_refuses_to_rewrite_the_record(
    client: httpx.AsyncClient, anna: Person, database: str, statement: str
) -> None:
    await record(client, anna)
    execute(database, SEAL)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="only grows"):
        execute(database, statement)


async def test_the_record_of_a_deleted_workspace_goes_with_it(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    await record(client, anna)
    execute(database, SEAL)
    execute(database, "DELETE FROM expense")
    execute(database, "DELETE FROM workspace")
    connection = psycopg2.connect(database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM audit_event), (SELECT count(*) FROM audit_seal)")
        assert cursor.fetchone() == (0, 0)
    connection.close()


async def test_deleting_from_within_a_trigger_is_no_way_around_it(
    client: httpx.AsyncClient, anna: Person, database: str
) -> None:
    await record(client, anna)
    execute(
        database,
        "CREATE FUNCTION sneak() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM audit_event; RETURN NULL; END';"
        "CREATE TRIGGER sneak AFTER UPDATE ON workspace FOR EACH ROW EXECUTE FUNCTION sneak()",
    )
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="only grows"):
        execute(database, "UPDATE workspace SET name = 'x'")
