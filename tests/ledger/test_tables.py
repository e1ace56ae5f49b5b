"""What the database refuses by itself, whatever the service lets through."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg2
import pytest

from expenses.money import CURRENCIES, LARGEST_MINOR

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WORKSPACE, USER, CATEGORY = (str(uuid4()) for _ in range(3))


@pytest.fixture
def cursor(database: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(database)
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


def _insert(cursor: psycopg2.extensions.cursor, table: str, **values: object) -> None:
    places = ", ".join(["%s"] * len(values))
    cursor.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", tuple(values.values()))


def _insert_expense(cursor: psycopg2.extensions.cursor, **changed: object) -> None:
    values: dict[str, object] = {"workspace_id": WORKSPACE, "id": str(uuid4()), "spent_on": date(2026, 11, 22)}
    values |= {"amount_minor": 1, "currency": "EUR", "merchant": "Baker", "category_id": CATEGORY, "note": ""}
    values |= {"tags": [], "version": 1, "created_by": USER, "created_at": NOW, "updated_at": NOW}
    _insert(cursor, "expense", **(values | changed))


@pytest.fixture
def ledger(cursor: psycopg2.extensions.cursor) -> psycopg2.extensions.cursor:
    """A workspace with one category and one expense in it, made without the service."""
    _insert(cursor, "user_account", id=USER, email="a@example.org", display_name="A", password_hash="x", created_at=NOW)
    values = {"name": "Home", "kind": "household", "base_currency": "EUR", "time_zone": "UTC", "created_at": NOW}
    _insert(cursor, "workspace", id=WORKSPACE, **values)
    _insert(cursor, "category", workspace_id=WORKSPACE, id=CATEGORY, name="Food", color="#00aa00", position=1)
    _insert_expense(cursor)
    return cursor


def test_the_table_of_currencies_is_the_one_in_the_code(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute("SELECT code, exponent, name, withdrawn_on FROM currency")
    in_code = {(row.code, row.exponent, row.name, row.withdrawn_on) for row in CURRENCIES.values()}
    assert set(cursor.fetchall()) == in_code


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "XXX"},
        {"amount_minor": LARGEST_MINOR + 1},
        {"amount_minor": -LARGEST_MINOR - 1},
        {"category_id": str(uuid4())},
        {"workspace_id": str(uuid4())},
        {"spent_on": date(1899, 12, 31)},
        {"spent_on": date(2200, 1, 1)},
        {"merchant": ""},
    ],
)
def test_the_database_itself_refuses_what_the_service_would(
    ledger: psycopg2.extensions.cursor, wrong: dict[str, object]
) -> None:
    with pytest.raises(psycopg2.IntegrityError):
        _insert_expense(ledger, **wrong)


def test_the_database_takes_the_largest_amount(ledger: psycopg2.extensions.cursor) -> None:
    _insert_expense(ledger, amount_minor=LARGEST_MINOR, spent_on=date(2199, 12, 31))
    _insert_expense(ledger, amount_minor=-LARGEST_MINOR, spent_on=date(1900, 1, 1))


def test_a_workspace_takes_its_ledger_with_it(ledger: psycopg2.extensions.cursor) -> None:
    ledger.execute("DELETE FROM workspace")
    for table in ("category", "expense"):
        ledger.execute(f"SELECT count(*) FROM {table}")
        assert ledger.fetchone() == (0,)
