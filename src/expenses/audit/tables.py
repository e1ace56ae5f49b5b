"""The tables of the record of changes. A trigger refuses to change, delete or truncate what is in them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid, text
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
    Column("seq", Integer),
    Column("hash", LargeBinary),
    Column("position", BigInteger, server_default=text("nextval('audit_event_position_seq')")),
)
"""Append-only. `actor_id` has no foreign key: the record outlives the account. Nobody: the service itself.

`seq` and `hash` are the event's place in the chain of its thing (`audit.chain`), empty in what older versions wrote.
The workspace is named, not imported: workspaces record their own changes here, so they stand above.
"""
Index("audit_event_chain_key", audit_event.c.workspace_id, audit_event.c.entity_id, audit_event.c.seq, unique=True)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("workspace_id", Uuid, ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("things", BigInteger, nullable=False),
    Column("loose", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""What a workspace's record came to each time somebody ran `expenses verify --seal`."""
