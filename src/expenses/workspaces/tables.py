"""The tables of workspaces and of who belongs to them."""

from __future__ import annotations

from sqlalchemy import CHAR, CheckConstraint, Column, DateTime, ForeignKey, Index, LargeBinary, Table, Text, Uuid

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

former_member = Table(
    "former_member",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("user_id", Uuid, ForeignKey(user_account.c.id, ondelete="CASCADE"), primary_key=True, index=True),
    Column("left_at", DateTime(timezone=True), nullable=False),
)
"""Who has left. Not a mark on `membership`, which code that does not know the mark would take for a right."""
Index(
    "former_member_page_idx",
    former_member.c.workspace_id,
    former_member.c.left_at.desc(),
    former_member.c.user_id.desc(),
)

invitation = Table(
    "invitation",
    metadata,
    Column("workspace_id", Uuid, ForeignKey(workspace.c.id, ondelete="CASCADE"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_by", Uuid, ForeignKey(user_account.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("accepted_at", DateTime(timezone=True)),
    Column("accepted_by", Uuid),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("role IN ('admin', 'member', 'viewer')", name="role"),
    CheckConstraint("char_length(note) <= 100", name="note"),
)
"""The token itself names the workspace, so that finding one begins with it as well."""
Index("invitation_token_key", invitation.c.workspace_id, invitation.c.token_hash, unique=True)
