"""The table of the record of changes."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from expenses.db import metadata

audit_event = Table(
    "audit_event",
    metadata,
    Column("workspace_id", Uuid, ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid),
    Column("entity", Text, nullable=False),
    Column("entity_id", Uuid, nullable=False),
    Column("action", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    Column("request_id", Text),
)
"""Append-only. `actor_id` has no foreign key: the record outlives the account. Nobody: the service itself.

The workspace is named, not imported: workspaces record their own changes here, so they stand above.
"""
Index("audit_event_entity_idx", audit_event.c.workspace_id, audit_event.c.entity_id, audit_event.c.id)
