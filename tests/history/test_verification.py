"""Whoever tampers with the record of changes is found out, and whoever does not is left in peace."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from tests.conftest import execute
from tests.ledger.recording import category_ids, record

from expenses.history.verification import StillWriting, Verified, settled_position, verify_workspace
from expenses.ids import uuid7

if TYPE_CHECKING:
    import httpx
    from tests.people import Clock, People, Person

    from expenses.db import Session

pytestmark = pytest.mark.anyio


def tamper(database: str, statement: str) -> None:
    """Do what only somebody who owns the database can: write past the triggers."""
    execute(database, f"SET session_replication_role = replica; {statement}")


async def verified(
    session: Session, person: Person, *, seal: bool = False, kept: dict[int, str] | None = None
) -> Verified:
    return await verify_workspace(
        session,
        workspace_id=person.workspace.id,
        kept=kept or {},
        until=await settled_position(session) if seal else None,
        now=person.workspace.created_at,
        progress=lambda _: None,
    )


async def kinds(session: Session, person: Person, kept: dict[int, str] | None = None) -> list[str]:
    return sorted(fault.kind for fault in (await verified(session, person, kept=kept)).faults)


@pytest.fixture
async def expense(client: httpx.AsyncClient, anna: Person) -> dict[str, Any]:
    """An expense with five events, beside another one and the categories."""
    await category_ids(client, anna)
    await record(client, anna, merchant="Other")
    expense = await record(client, anna)
    url = f"{anna.url}/expenses/{expense['id']}"
    await client.patch(url, json={"note": "a", "tags": ["Käse \N{CHEESE WEDGE}"]}, headers=anna.headers)
    await client.patch(url, json={"amount": {"value": "-3", "currency": "KWD"}}, headers=anna.headers)
    await client.delete(url, headers=anna.headers)
    await client.post(f"{url}/restore", headers=anna.headers)
    return expense


@pytest.mark.usefixtures("expense")
async def test_an_untouched_record_holds(session: Session, anna: Person) -> None:
    found = await verified(session, anna, seal=True)
    assert (found.faults, found.loose) == ([], 0)
    assert found.events > 7
    again = await verified(session, anna, seal=True)
    assert again.faults == []
    assert again.seal == found.seal  # nothing happened, so nothing new was sealed


TAMPERING = (
    ("UPDATE audit_event SET after = jsonb_set(after, '{note}', '\"x\"') WHERE seq = 2", "content"),
    ("UPDATE audit_event SET before = before - 'note' WHERE seq = 3", "content"),
    ("UPDATE audit_event SET actor_id = NULL WHERE seq = 2", "content"),
    ("UPDATE audit_event SET at = at - interval '1 day' WHERE seq = 1 AND entity = 'expense'", "content"),
    ("UPDATE audit_event SET after = jsonb_set(after, '{version}', '2.5') WHERE seq = 2", "content"),
    ("UPDATE audit_event SET seq = NULL WHERE seq = 5", "content"),
    ("UPDATE audit_event SET hash = NULL WHERE seq = 5", "content"),
    ("UPDATE audit_event SET hash = sha256('x') WHERE seq = 3", "content"),
    ("DELETE FROM audit_event WHERE seq IN (2, 3)", "missing"),
    ("DELETE FROM audit_event WHERE seq = 1", "missing"),
    ("DELETE FROM audit_event WHERE seq = 5", "state"),
    ("UPDATE expense SET note = 'by hand'", "state"),
    ("UPDATE expense SET deleted_at = now()", "state"),
    ("DELETE FROM expense", "state"),
    ("UPDATE category SET color = '#ffffff'", "state"),
    ("DELETE FROM audit_event WHERE entity = 'expense'", "unrecorded"),
    ("UPDATE settlement SET amount_minor = 2", "state"),
    ("DELETE FROM settlement", "state"),
    ("DELETE FROM audit_event WHERE entity = 'settlement'", "unrecorded"),
    ("UPDATE payment_account SET name = 'x'", "state"),
    ("DELETE FROM audit_event WHERE entity = 'payment_account'", "unrecorded"),
    ("UPDATE membership SET role = 'owner'", "state"),
    ("DELETE FROM membership WHERE role = 'viewer'", "state"),
    ("DELETE FROM audit_event WHERE seq = 2 AND entity = 'member'", "state"),
    ("UPDATE workspace SET base_currency = 'USD'", "state"),
    ("UPDATE day_sum SET minor = minor + 1", "sum"),
    ("UPDATE category_sum SET number = number + 1", "sum"),
    ("UPDATE balance_sum SET minor = minor + 1", "sum"),
    ("DELETE FROM expense", "sum"),
)
"""What somebody who owns the database may do, and the fault that must tell of it."""

TABLES = ("audit_event", "expense", "category", "settlement", "payment_account", "membership", "workspace")
SUMS = ("day_sum", "category_sum", "balance_sum")


@pytest.fixture
async def company(client: httpx.AsyncClient, anna: Person, people: People) -> None:
    """A member who became a viewer and was paid, a payment account, and a workspace with another name."""
    ben = await people.sign_up()
    await people.join(ben, anna.workspace, "member")
    paid = {"amount": {"value": "0.01", "currency": "EUR"}, "paid_on": "2026-11-22"}
    body = {"from_user_id": str(anna.user.id), "to_user_id": str(ben.user.id), **paid}
    for method, path, json in [
        ("PATCH", f"/members/{ben.user.id}", {"role": "admin"}),
        ("PATCH", f"/members/{ben.user.id}", {"role": "viewer"}),
        ("POST", "/settlements", body),
        ("POST", "/payment-accounts", {"name": "Card"}),
        ("PATCH", "", {"name": "Us"}),
    ]:
        answer = await client.request(method, f"{anna.url}{path}", json=json, headers=anna.headers)
        assert answer.is_success, answer.text


@pytest.mark.usefixtures("expense", "company")
async def test_tampering_is_found_without_any_seal(session: Session, anna: Person, database: str) -> None:
    for table in (*TABLES, *SUMS):
        execute(database, f"CREATE TABLE saved_{table} AS TABLE {table}")
    back = "; ".join(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved_{table}" for table in TABLES)
    back += "".join(f"; TRUNCATE {t}; INSERT INTO {t} OVERRIDING SYSTEM VALUE TABLE saved_{t}" for t in SUMS)
    unnoticed = []
    for tampering, kind in TAMPERING:
        tamper(database, tampering)
        found = await kinds(session, anna)
        if kind not in found:
            unnoticed.append((tampering, kind, found))
        tamper(database, back)
    assert unnoticed == []
    assert await kinds(session, anna) == []


async def test_a_changed_event_is_named_with_its_thing_its_time_and_the_next_step(
    session: Session, anna: Person, expense: dict[str, Any], database: str
) -> None:
    tamper(database, "UPDATE audit_event SET request_id = 'x' WHERE seq = 2")
    (fault,) = (await verified(session, anna)).faults
    assert fault.what == f"event 2 of expense {expense['id']} is not what was recorded there"
    assert fault.at is not None
    assert "backup" in fault.next_step


@pytest.mark.usefixtures("expense")
async def test_reordered_events_are_found(session: Session, anna: Person, database: str) -> None:
    tamper(
        database,
        "UPDATE audit_event SET seq = seq + 10 WHERE seq IN (2, 3);"
        "UPDATE audit_event SET seq = 15 - seq WHERE seq IN (12, 13)",
    )
    assert await kinds(session, anna) == ["content", "content", "content"]


@pytest.mark.usefixtures("expense")
async def test_an_event_that_was_slipped_in_is_found(session: Session, anna: Person, database: str) -> None:
    columns = "workspace_id, gen_random_uuid(), at, actor_id, entity, entity_id, action, before, after, request_id"
    tamper(database, f"INSERT INTO audit_event SELECT {columns}, 6, hash FROM audit_event WHERE seq = 5")
    assert await kinds(session, anna) == ["content"]


REMOVE_ALL = (
    "DELETE FROM audit_event WHERE entity_id = (SELECT entity_id FROM audit_event WHERE seq = 5);"
    "DELETE FROM expense WHERE merchant <> 'Other'; SELECT mend_sums(id) FROM workspace"
)


@pytest.mark.usefixtures("expense")
async def test_a_thing_that_vanished_with_its_whole_chain_is_found_by_the_seal(
    session: Session, anna: Person, database: str
) -> None:
    await verified(session, anna, seal=True)
    tamper(database, REMOVE_ALL)
    assert await kinds(session, anna) == ["seal"]


@pytest.mark.usefixtures("expense")
async def test_a_chain_that_was_rewritten_to_its_end_is_found_by_the_seal(
    session: Session, anna: Person, database: str
) -> None:
    await verified(session, anna, seal=True)
    tamper(
        database,
        "DELETE FROM audit_event WHERE seq = 5; UPDATE expense SET deleted_at = now(), version = 4 WHERE version = 5;"
        "SELECT mend_sums(id) FROM workspace",
    )
    assert await kinds(session, anna) == ["seal"]


async def test_what_happens_after_a_seal_does_not_break_it(
    client: httpx.AsyncClient, session: Session, anna: Person, expense: dict[str, Any], clock: Clock
) -> None:
    first = await verified(session, anna, seal=True)
    clock.turn(timedelta(days=-1))  # by another machine's clock, it has an earlier time and id than what was sealed
    url = f"{anna.url}/expenses/{expense['id']}"
    await client.patch(url, json={"note": "later"}, headers=anna.headers)
    await record(client, anna)
    second = await verified(session, anna, seal=True)
    assert second.faults == []
    assert second.seal
    assert first.seal
    assert (second.seal.number, second.seal.previous) == (2, first.seal.hash)


@pytest.mark.usefixtures("expense")
async def test_a_seal_that_was_kept_elsewhere_cannot_be_replaced(session: Session, anna: Person, database: str) -> None:
    kept = (await verified(session, anna, seal=True)).seal
    assert kept
    tamper(database, REMOVE_ALL)
    tamper(database, "DELETE FROM audit_seal")
    await verified(session, anna, seal=True)
    assert await kinds(session, anna) == []  # whoever owns the database can write another history
    assert await kinds(session, anna, {1: kept.hash.hex()}) == ["seal"]


@pytest.mark.usefixtures("expense")
async def test_a_changed_seal_is_found(session: Session, anna: Person, database: str) -> None:
    await verified(session, anna, seal=True)
    tamper(database, "UPDATE audit_seal SET at = at + interval '1 day'")
    assert await kinds(session, anna) == ["seal"]


OLD = """
INSERT INTO audit_event (workspace_id, id, at, entity, entity_id, action, before, after, position)
SELECT workspace_id, '{id}', created_at, 'expense', id, 'change', NULL, '{{"note": "x"}}', {position}
FROM expense LIMIT 1
"""


async def test_events_from_before_the_chain_are_counted_and_then_sealed(
    client: httpx.AsyncClient, session: Session, anna: Person, database: str
) -> None:
    await record(client, anna)
    tamper(database, "UPDATE audit_event SET seq = NULL, hash = NULL, position = NULL")
    found = await verified(session, anna, seal=True)
    assert (found.faults, found.events, found.loose) == ([], 1, 1)
    tamper(
        database,
        "UPDATE audit_event SET after = jsonb_set(after, '{payer_id}', 'null'); UPDATE expense SET payer_id = NULL",
    )
    assert await kinds(session, anna) == ["seal"]


@pytest.mark.parametrize(("position", "kind"), [("NULL", "seal"), ("DEFAULT", "loose")])
async def test_an_event_without_a_place_that_comes_after_a_seal_is_told(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient, session: Session, anna: Person, database: str, position: str, kind: str
) -> None:
    expense = await record(client, anna, note="x")
    await verified(session, anna, seal=True)
    position = "nextval('audit_event_position_seq')" if position == "DEFAULT" else position
    execute(database, OLD.format(id=uuid7(anna.workspace.created_at), position=position))
    assert kind in await kinds(session, anna), expense


@pytest.mark.usefixtures("anna")
async def test_a_seal_waits_for_whoever_is_writing(
    session: Session, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expenses.history.verification.PATIENCE_S", 1)
    writer = psycopg2.connect(database)
    writer.cursor().execute("UPDATE workspace SET name = name")
    with pytest.raises(StillWriting):
        await settled_position(session)
    waiting = asyncio.ensure_future(settled_position(session))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    writer.rollback()
    writer.close()
    await waiting


async def test_faults_beyond_a_hundred_are_counted(session: Session, anna: Person, database: str) -> None:
    execute(
        database,
        "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, version,"
        " created_by, created_at, updated_at) SELECT workspace_id, gen_random_uuid(), '2026-01-01', 1, 'EUR', 'x', '',"
        " '{}', 1, user_id, now(), now() FROM membership, generate_series(1, 30)",
    )
    execute(
        database,
        "INSERT INTO audit_event (workspace_id, id, at, entity, entity_id, action, seq, hash) SELECT workspace_id,"
        " gen_random_uuid(), now(), 'member', gen_random_uuid(), 'join', 1, 'x'"
        " FROM membership, generate_series(1, 2500)",
    )
    found = await verified(session, anna)
    assert (len(found.faults), found.fault_count, found.things) == (100, 2530, 2500)
