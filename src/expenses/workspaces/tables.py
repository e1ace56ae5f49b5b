"""The tables of workspaces and of who belongs to them."""

from __future__ import annotations

from sqlalchemy import CHAR, CheckConstraint, Column, DateTime, ForeignKey, Table, Text, Uuid

from expenses.accounts.tables import user_account
from expenses.db import metadata

workspace = Table(
    "workspace",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("base_currency", CHAR(3), nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('household', 'company')", name="kind"),
)

membership = Table(
    "membership",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("user_id", Uuid, ForeignKey(user_account.c.id, ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="role"),
)
