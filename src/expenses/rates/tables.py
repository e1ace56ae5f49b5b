"""The table of exchange rates."""

from __future__ import annotations

from sqlalchemy import CHAR, CheckConstraint, Column, Date, ForeignKey, Numeric, Table, Text, Uuid

from expenses.db import metadata
from expenses.workspaces.tables import workspace

fx_rate = Table(
    "fx_rate",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("base", CHAR(3), ForeignKey("currency.code"), primary_key=True),
    Column("quote", CHAR(3), ForeignKey("currency.code"), primary_key=True),
    Column("on_date", Date, primary_key=True),
    Column("rate", Numeric(24, 12), nullable=False),
    Column("source", Text, nullable=False),
    CheckConstraint("base <> quote", name="quote"),
    CheckConstraint("rate > 0", name="rate"),
    CheckConstraint("char_length(source) BETWEEN 1 AND 100", name="source"),
)
"""One unit of `base` is worth `rate` units of `quote`. The key finds the rates of a pair by day, newest first."""
