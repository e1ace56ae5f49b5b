"""What the sums of the ledger must be, counted anew in Python, and what they are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg2

Sums = dict[tuple[Any, ...], int]

NONE = "00000000-0000-0000-0000-000000000000"


def must_be(database: str) -> Sums:
    """Every sum that is not zero, from the rows of the ledger."""
    found: Counter[tuple[Any, ...]] = Counter()
    living = {}
    for row in rows(database, "SELECT * FROM expense WHERE deleted_at IS NULL"):
        living[row["workspace_id"], row["id"]] = row["currency"]
        _count_expense(found, row)
    for row in rows(database, "SELECT * FROM expense_line"):
        currency = living.get((row["workspace_id"], row["expense_id"]))
        if currency:
            _count_category(found, row, currency)
    for row in rows(database, "SELECT * FROM expense_share"):
        if currency := living.get((row["workspace_id"], row["expense_id"])):
            found[row["workspace_id"], row["user_id"], currency] -= row["amount_minor"]
    for row in rows(database, "SELECT * FROM settlement"):
        found[row["workspace_id"], row["from_user_id"], row["currency"]] += row["amount_minor"]
        found[row["workspace_id"], row["to_user_id"], row["currency"]] -= row["amount_minor"]
    return _without_zeros(found)


def are(database: str) -> Sums:
    """Every sum that is not zero, as the database keeps them."""
    found: Counter[tuple[Any, ...]] = Counter()
    for row in rows(database, "SELECT * FROM day_sum"):
        key = tuple(row[name] for name in ("workspace_id", "spent_on", "currency", "base_currency"))
        found[*key, "minor"] += int(row["minor"])
        found[*key, "base"] += int(row["base_minor"])
        found[*key, "number"] += row["number"]
    for row in rows(database, "SELECT * FROM category_sum"):
        of = tuple(row[name] for name in ("workspace_id", "month", "category_id", "currency"))
        found["category", *of, "minor"] += int(row["minor"])
        found["category", *of, "number"] += row["number"]
    for row in rows(database, "SELECT * FROM balance_sum"):
        found[row["workspace_id"], row["user_id"], row["currency"]] += int(row["minor"])
    return _without_zeros(found)


def missing(database: str) -> list[dict[str, Any]]:
    """What the database itself says is missing in its sums."""
    return [
        row
        for kind in ("day", "category", "balance")
        for row in rows(database, f"SELECT found.* FROM workspace, missing_in_{kind}_sum(workspace.id) AS found")
    ]


def _count_expense(found: Counter[tuple[Any, ...]], row: dict[str, Any]) -> None:
    key = (row["workspace_id"], row["spent_on"], row["currency"], row["base_currency"] or row["currency"])
    found[*key, "minor"] += row["amount_minor"]
    found[*key, "base"] += row["amount_minor"] if row["base_amount_minor"] is None else row["base_amount_minor"]
    found[*key, "number"] += 1
    if row["line_count"] is None:
        _count_category(found, row, row["currency"])
    if row["split_mode"]:
        found[row["workspace_id"], row["payer_id"], row["currency"]] += row["amount_minor"]


def _count_category(found: Counter[tuple[Any, ...]], row: dict[str, Any], currency: str) -> None:
    key = (row["workspace_id"], row["spent_on"].replace(day=1), row["category_id"] or NONE, currency)
    found["category", *key, "minor"] += row["amount_minor"]
    found["category", *key, "number"] += 1


def _without_zeros(found: Counter[tuple[Any, ...]]) -> Sums:
    return {key: minor for key, minor in found.items() if minor}


def rows(database: str, statement: str) -> list[dict[str, Any]]:
    """What a query finds, by the names of its columns."""
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    connection.close()
    return found
