"""The tables of settlements, and of what everybody is owed. What is shared stands in the ledger (`expense_share`)."""

from __future__ import annotations

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    Table,
    Text,
    Uuid,
)

from expenses.accounts.tables import user_account
from expenses.db import metadata
from expenses.ledger.tables import currency
from expenses.workspaces.tables import workspace

settlement = Table(
    "settlement",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("from_user_id", Uuid, ForeignKey(user_account.c.id), nullable=False),
    Column("to_user_id", Uuid, ForeignKey(user_account.c.id), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), ForeignKey(currency.c.code), nullable=False),
    Column("paid_on", Date, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_by", Uuid, ForeignKey(user_account.c.id), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("from_user_id <> to_user_id", name="people"),
    CheckConstraint("amount_minor BETWEEN 1 AND 1000000000000000", name="amount_minor"),
    CheckConstraint("paid_on BETWEEN '1900-01-01' AND '2199-12-31'", name="paid_on"),
    CheckConstraint("char_length(note) <= 500", name="note"),
)
Index("settlement_page_idx", settlement.c.workspace_id, settlement.c.paid_on.desc(), settlement.c.id.desc())

balance_sum = Table(
    "balance_sum",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("currency", CHAR(3), primary_key=True),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("minor", Numeric, nullable=False),
    postgresql_with={"fillfactor": 50},
)
"""What somebody has paid for others and to others, less their shares and what they were paid: add up the rows of a key.
Kept by triggers, as those of `reports.tables`."""
