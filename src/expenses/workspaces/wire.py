"""What workspaces look like as JSON, for all routes that answer one."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING
from uuid import UUID  # noqa: TC003 - same

from pydantic import BaseModel

from expenses.etags import tag_of
from expenses.http import JSONAnswer
from expenses.workspaces.model import Kind, Role  # noqa: TC001 - same

if TYPE_CHECKING:
    from expenses.workspaces.model import Membership


class WorkspaceOut(BaseModel):
    """A workspace, and what you are in it."""

    id: UUID
    name: str
    kind: Kind
    role: Role
    base_currency: str
    time_zone: str
    created_at: datetime


def membership_out(membership: Membership) -> WorkspaceOut:
    """A workspace as JSON, to one of its members."""
    workspace = membership.workspace
    return WorkspaceOut(
        id=workspace.id,
        name=workspace.name,
        kind=workspace.kind,
        role=membership.role,
        base_currency=workspace.base_currency,
        time_zone=workspace.time_zone,
        created_at=workspace.created_at,
    )


def membership_answer(membership: Membership, *, status: int = 200) -> JSONAnswer:
    """A workspace as an answer, with its version."""
    said = membership_out(membership).model_dump(mode="json")
    return JSONAnswer(said, status_code=status, headers=tag_of(membership.snapshot()))
