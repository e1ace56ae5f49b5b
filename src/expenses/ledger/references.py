"""Whether what an expense refers to may be chosen: its currency, its categories, who paid it and from which account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expenses.errors import NotFound
from expenses.ledger import queries
from expenses.ledger.model import UnknownCategory, UnknownPayer
from expenses.ledger.splits import UnknownMember
from expenses.money import currency_in_use
from expenses.payments.service import check_accounts
from expenses.workspaces.member_queries import members_among
from expenses.workspaces.service import membership_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.ledger.model import Expense, ExpenseDraft


async def check_references(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    drafts: Sequence[ExpenseDraft],
    before: Expense | None = None,
    now: datetime,
) -> None:
    """Refuse what cannot be newly chosen; whatever the expense refers to already may stay. Asks only about what is new.

    Raises:
        WithdrawnCurrency: One is in a currency that is no longer in use.
        UnknownCategory: One, or a line of it, is in a category that is archived or not of this workspace.
        UnknownPayer: One was paid by somebody who is not a member.
        UnknownMember: One is divided among people of whom somebody is not a member.
        UnknownAccount: One was paid from an account that is archived or not of this workspace.
    """
    for code in {draft.amount.currency.code for draft in drafts} - ({before.amount.currency.code} if before else set()):
        currency_in_use(code, on=now.date())
    await _check_categories(session, workspace_id=workspace_id, drafts=drafts, before=before)
    await _check_members(session, workspace_id=workspace_id, drafts=drafts, before=before)
    account_ids = {draft.account_id for draft in drafts} - {None, before and before.account_id}
    await check_accounts(session, workspace_id=workspace_id, among={each for each in account_ids if each})
    for payer_id in {draft.payer_id for draft in drafts if draft.payer_id} - {
        actor.user_id,
        before and before.payer_id,
    }:
        try:
            await membership_of(session, user_id=payer_id, workspace_id=workspace_id)
        except NotFound as exc:
            raise UnknownPayer(field="payer_id") from exc


async def _check_members(
    session: Session, *, workspace_id: UUID, drafts: Sequence[ExpenseDraft], before: Expense | None
) -> None:
    kept = before.split.user_ids if before and before.split else frozenset()
    chosen = {each for draft in drafts if draft.split for each in draft.split.user_ids} - kept
    if chosen and chosen != await members_among(session, workspace_id=workspace_id, user_ids=chosen):
        raise UnknownMember(field="split")


async def _check_categories(
    session: Session, *, workspace_id: UUID, drafts: Sequence[ExpenseDraft], before: Expense | None
) -> None:
    kept = {each for each, _ in _categories(before)} if before else set()
    chosen = {each: field for draft in drafts for each, field in _categories(draft) if each not in kept}
    if not chosen:
        return
    unknown = chosen.keys() - await queries.categories_in_use(session, workspace_id=workspace_id, among=chosen)
    if unknown:
        raise UnknownCategory(field=chosen[unknown.pop()])


def _categories(expense: Expense | ExpenseDraft) -> list[tuple[UUID, str]]:
    """The categories that it is in, each with the field that says so."""
    found = [(expense.category_id, "category_id"), *((line.category_id, "lines") for line in expense.lines)]
    return [(category_id, field) for category_id, field in found if category_id]
