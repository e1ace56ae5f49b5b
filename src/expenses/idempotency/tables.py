"""The keys of requests that must not be done twice, and what was answered."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from expenses.db import metadata

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger),
    Column("headers", JSONB(none_as_null=True)),
    Column("body", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""Rows live for a day, so there are no foreign keys: a purge is cheaper than their checks. `status` is null only
inside the transaction that makes the row."""
Index("idempotency_key_created_at_idx", idempotency_key.c.created_at)
