"""The tables of sums that reports read. Triggers keep them; the service itself can only read them.

Add up the rows of a key: who finds one locked makes another. Only what lives counts. Numeric, since a bigint does not
hold ten thousand of the largest amounts. Rows that come to nothing stay: who takes something back mostly records it
anew. No foreign keys: a trigger takes away what a workspace leaves behind.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CHAR, BigInteger, Column, Date, Identity, Numeric, Table, Uuid

from expenses.db import metadata

NO_CATEGORY: Final = "00000000-0000-0000-0000-000000000000"
"""Stands for none: a column of a primary key cannot be null."""

day_sum = Table(
    "day_sum",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("spent_on", Date, primary_key=True),
    Column("currency", CHAR(3), primary_key=True),
    Column("base_currency", CHAR(3), primary_key=True),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("minor", Numeric, nullable=False),
    Column("base_minor", Numeric, nullable=False),
    Column("number", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)
"""Expenses as wholes. What was not converted has its own currency for a base, and comes to the same in it."""

category_sum = Table(
    "category_sum",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("category_id", Uuid, primary_key=True),
    Column("currency", CHAR(3), primary_key=True),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("minor", Numeric, nullable=False),
    Column("number", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 50},
)
"""Expenses without lines, and lines of the others. `month` is its first day."""
