"""A new expense and what the record of changes says of it, stored by one statement.

One statement is one transaction, and one round trip where there were four; what is recorded most has neither lines nor
shares. The rest goes through `queries.insert_expenses`, in a transaction of several statements. Nothing here commits
within somebody else's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json
from sqlalchemy import Text, bindparam, cast, insert
from sqlalchemy.dialects.postgresql import JSONB

from expenses.audit.queries import first_values
from expenses.audit.tables import audit_event
from expenses.db import HotQuery
from expenses.ledger.queries import expense_values
from expenses.ledger.tables import expense

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Insert, Table

    from expenses.audit.model import AuditEvent
    from expenses.db import Session
    from expenses.ledger.model import Expense

_EXPENSE: Final = "expense_"
_EVENT: Final = "event_"
"""What the names of parameters begin with: the two tables have columns of the same names."""

_OF_EXPENSE, _OF_EVENT = (
    {column.name: prefix + column.name for column in table.columns}
    for table, prefix in ((expense, _EXPENSE), (audit_event, _EVENT))
)
"""The names of parameters by the names of columns."""

_GIVEN_BY_DATABASE: Final = "position"


def _insert(table: Table, prefix: str) -> Insert:
    return insert(table).values(
        {
            column.name: cast(bindparam(prefix + column.name, type_=Text), JSONB)
            if isinstance(column.type, JSONB)
            else bindparam(prefix + column.name, type_=column.type)
            for column in table.columns
            if column.name != _GIVEN_BY_DATABASE
        }
    )


ADD = HotQuery(
    _insert(audit_event, _EVENT).add_cte(_insert(expense, _EXPENSE).cte("added")).returning(audit_event.c.id)
)
"""Adds an expense and the event that it was created, both or none."""


async def insert_recorded(session: Session, *, workspace_id: UUID, new: Expense, event: AuditEvent) -> None:
    """Store a new expense without lines and shares, and the event of its creation: both or, if it raises, neither."""
    await ADD.rows(session, **values_of(workspace_id, new, event))


def values_of(workspace_id: UUID, new: Expense, event: AuditEvent) -> dict[str, Any]:
    """The parameters of `ADD`."""
    said = first_values(workspace_id, event)
    said["after"] = to_json(said["after"]).decode()  # nothing was before
    whole = expense_values(new)
    whole["workspace_id"] = workspace_id
    return {_OF_EXPENSE[name]: value for name, value in whole.items()} | {
        _OF_EVENT[name]: value for name, value in said.items()
    }
