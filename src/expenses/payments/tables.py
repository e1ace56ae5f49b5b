"""The table of payment accounts."""

from __future__ import annotations

from sqlalchemy import CHAR, CheckConstraint, Column, DateTime, ForeignKey, Index, Table, Text, Uuid

from expenses.db import metadata
from expenses.workspaces.tables import workspace

payment_account = Table(
    "payment_account",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", CHAR(3), ForeignKey("currency.code")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
    CheckConstraint("kind IN ('cash', 'bank', 'card', 'other')", name="kind"),
)
Index(
    "payment_account_name_key",
    payment_account.c.workspace_id,
    payment_account.c.name,
    unique=True,
    postgresql_where=payment_account.c.archived_at.is_(None),
)
