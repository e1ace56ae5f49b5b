"""Reports on a workspace, for everybody in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.ledger.service import list_categories
from expenses.reports import queries
from expenses.reports.model import Month, MonthReport, month_report

if TYPE_CHECKING:
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session

__all__ = ["Month", "MonthReport", "monthly"]


async def monthly(session: Session, *, actor: Actor, workspace_id: UUID, month: Month) -> MonthReport:
    """What was spent in a month: in all, in each category, on each day, for each currency by itself.

    And what it comes to in the base currency, as far as there were rates.

    Raises:
        NotFound: The actor does not belong to the workspace.
    """
    categories = await list_categories(session, actor=actor, workspace_id=workspace_id, with_archived=True)
    sums = await queries.sums_of_month(
        session, workspace_id=workspace_id, first_day=month.first_day, last_day=month.last_day
    )
    return month_report(month, sums, categories=categories)
