"""Suggesting, renaming and merging merchants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.cursor import Listing, Page
from expenses.ledger.bulk import BulkChange, Order, Target
from expenses.ledger.bulk_service import change_expenses
from expenses.ledger.conditions import HasText
from expenses.ledger.model import LONGEST_MERCHANT
from expenses.ledger.texts import check_text
from expenses.merchants import queries
from expenses.merchants.model import DEFAULT_SUGGESTIONS, MOST_RENAMED, Merchant, TooManyExpenses
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session


async def suggest_merchants(
    session: Session, *, actor: Actor, workspace_id: UUID, q: str = "", limit: int = DEFAULT_SUGGESTIONS
) -> list[Merchant]:
    """Merchants that somebody who has typed this may mean; without a text, those of the newest expenses.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidText: The text cannot occur in a name.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    check_text(q, field="q", longest=LONGEST_MERCHANT, may_be_blank=True)
    q = q.strip()
    return await queries.merchants_like(
        session, workspace_id=workspace_id, q=q, is_indexed=HasText(q).is_indexed, limit=limit
    )


async def list_merchants(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int, cursor: str | None = None
) -> Page[Merchant]:
    """A page of all merchants by name, in whatever case.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    listing: Listing[tuple[str, Merchant]] = Listing(f"merchants {workspace_id}", (str,), lambda each: (each[0],))
    (after,) = listing.key_in(cursor) or ("",)
    found = await queries.merchants_by_name(session, workspace_id=workspace_id, after=after, limit=limit + 1)
    page = listing.page(found, limit=limit)
    return Page([merchant for _, merchant in page.items], page.next)


async def rename_merchants(
    session: Session, *, actor: Actor, workspace_id: UUID, names: Sequence[str], to: str, now: datetime
) -> int:
    """Give all living expenses of these merchants another one, and say how many that were.

    One transaction, and each expense's change is on record. The names count in whatever case. Renaming a single one is
    undone by renaming it back; of a merge only the record knows what each was. What is in the trash keeps its name.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        InvalidText: The new name cannot stand.
        TooManyExpenses: There are more than `MOST_RENAMED`; nothing was changed.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_EXPENSES)
    for field, name in [*(("from", name) for name in names), ("to", to)]:
        check_text(name, field=field, longest=LONGEST_MERCHANT)
    ids = await queries.expenses_of_merchants(
        session, workspace_id=workspace_id, names=names, but=to, limit=MOST_RENAMED + 1
    )
    if len(ids) > MOST_RENAMED:
        raise TooManyExpenses
    order = Order("change", BulkChange(merchant=to))
    done = await change_expenses(
        session, actor=actor, workspace_id=workspace_id, targets=[Target(each) for each in ids], order=order, now=now
    )
    return sum(after is not before for before, after in done)
