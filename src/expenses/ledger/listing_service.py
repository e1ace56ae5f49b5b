"""Lists of expenses, filtered and searched; part of `ledger.service`."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.cursor import Listing, Page
from expenses.ledger import entry_queries, queries, search_queries, snapshot_queries
from expenses.ledger.criteria import Names, criteria_of
from expenses.ledger.cursor import PageKey
from expenses.ledger.entries import entry_of
from expenses.ledger.model import DEFAULT_PAGE_SIZE, ExpenseFilter
from expenses.ledger.search import parse
from expenses.payments.queries import accounts_of
from expenses.workspaces.member_queries import former_members_of, members_of
from expenses.workspaces.model import MOST_MEMBERS
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from expenses.accounts.model import Actor
    from expenses.db import Session
    from expenses.ledger.criteria import Criteria
    from expenses.ledger.entries import Entry
    from expenses.ledger.model import Expense
    from expenses.workspaces.model import Membership

EVERYTHING = ExpenseFilter()
"""The filter that lets all expenses pass."""


async def list_expenses(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    filters: ExpenseFilter = EVERYTHING,
    limit: int = DEFAULT_PAGE_SIZE,
    cursor: str | None = None,
) -> Page[Expense]:
    """One page of the expenses that pass the filter, newest day first.

    Expenses that are recorded while somebody turns pages neither repeat a row nor hide one. The page of a search may
    be short, even empty, and have a following one: how far a search looks in one go is bounded.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this workspace with this filter.
        InvalidSearch: The search text makes no sense, or names what is not in this workspace.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope, after = _place(workspace_id, filters, cursor)
    found, last = await _found(session, membership=membership, filters=filters, after=after, limit=limit + 1)
    items = found[:limit]
    if len(found) > limit:
        last = _key_of(items[-1])
    return Page(items, last.cursor(scope=scope) if last else None)


async def list_entries(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    filters: ExpenseFilter = EVERYTHING,
    limit: int = DEFAULT_PAGE_SIZE,
    cursor: str | None = None,
) -> Page[Entry]:
    """As `list_expenses`, only what a list shows of each; raises the same."""
    if not _asks_for_days_only(filters):
        page = await list_expenses(
            session, actor=actor, workspace_id=workspace_id, filters=filters, limit=limit, cursor=cursor
        )
        return Page([entry_of(each) for each in page.items], page.next)
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope, after = _place(workspace_id, filters, cursor)
    found = await entry_queries.entries_on_page(
        session, workspace_id=workspace_id, filters=filters, after=after, limit=limit + 1
    )
    following = _key_of(found[limit - 1]).cursor(scope=scope) if len(found) > limit else None
    return Page(found[:limit], following)


async def show_expenses(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    filters: ExpenseFilter = EVERYTHING,
    limit: int = DEFAULT_PAGE_SIZE,
    cursor: str | None = None,
) -> Page[str]:
    """As `list_expenses`, each in JSON; raises the same. What is asked for most comes so from the database."""
    if not _asks_for_days_only(filters):
        page = await list_expenses(
            session, actor=actor, workspace_id=workspace_id, filters=filters, limit=limit, cursor=cursor
        )
        return Page([json.dumps(each.snapshot(), ensure_ascii=False) for each in page.items], page.next)
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope, after = _place(workspace_id, filters, cursor)
    found = await snapshot_queries.shown_on_page(
        session, workspace_id=workspace_id, filters=filters, after=after, limit=limit + 1
    )
    texts = await _texts(session, workspace_id=workspace_id, found=found[:limit])
    following = _key_in(texts[-1]).cursor(scope=scope) if texts and len(found) > limit else None
    return Page(texts, following)


async def _texts(session: Session, *, workspace_id: UUID, found: list[str | UUID]) -> list[str]:
    ids = [each for each in found if not isinstance(each, str)]
    if not ids:
        return found  # type: ignore[return-value]  # nothing but texts
    others = await queries.expenses_with_ids(session, workspace_id=workspace_id, ids=ids)
    text_of = {each.id: json.dumps(each.snapshot(), ensure_ascii=False) for each in others}
    return [
        each if isinstance(each, str) else text_of[each] for each in found if isinstance(each, str) or each in text_of
    ]


def _asks_for_days_only(filters: ExpenseFilter) -> bool:
    """What is asked for most, and answered without an `Expense` for each row."""
    return not filters.is_search and filters.category_id is None and not filters.is_uncategorised


def _place(workspace_id: UUID, filters: ExpenseFilter, cursor: str | None) -> tuple[str, PageKey | None]:
    """What a cursor is good for, and where this one goes on. Raises `InvalidCursor`."""
    scope = f"{workspace_id} {filters!r}"
    return scope, None if cursor is None else PageKey.from_cursor(cursor, scope=scope)


def _key_of(each: Expense | Entry) -> PageKey:
    return PageKey(each.spent_on, each.id)


def _key_in(text: str) -> PageKey:
    said = json.loads(text)
    return PageKey(date.fromisoformat(said["spent_on"]), UUID(said["id"]))


async def list_tags(
    session: Session, *, actor: Actor, workspace_id: UUID, limit: int, cursor: str | None = None
) -> Page[tuple[str, int]]:
    """A page of the tags of the newest `search_queries.FAR` expenses with how many of those have it, most used first.

    A tag that gets or loses expenses while somebody turns pages takes another place.

    Raises:
        NotFound: The actor does not belong to the workspace.
        InvalidCursor: The cursor is not one of this list.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    listing: Listing[tuple[str, int]] = Listing(f"tags {workspace_id}", (int, str), lambda each: (each[1], each[0]))
    after = listing.key_in(cursor)
    found = await search_queries.tags_in_use(
        session, workspace_id=workspace_id, among=search_queries.FAR, limit=limit + 1, after=after
    )
    return listing.page(found, limit=limit)


async def _found(
    session: Session, *, membership: Membership, filters: ExpenseFilter, after: PageKey | None, limit: int
) -> tuple[list[Expense], PageKey | None]:
    """The expenses, and how far a search looked if it ended before the workspace did."""
    criteria: Criteria | None = None
    workspace_id = membership.workspace.id
    if filters.is_search:
        criteria = await _criteria(session, membership=membership, filters=filters)
        simple = criteria.as_filter()
        filters, criteria = (filters, criteria) if simple is None else (simple, None)
    if criteria is None:
        found = await queries.expenses_on_page(
            session, workspace_id=workspace_id, filters=filters, after=after, limit=limit
        )
        return found, None
    return await queries.expenses_found(session, workspace_id=workspace_id, criteria=criteria, after=after, limit=limit)


async def _criteria(session: Session, *, membership: Membership, filters: ExpenseFilter) -> Criteria:
    """What a filter asks for. Names are looked up only where it has some."""
    workspace_id = membership.workspace.id
    terms = parse(filters.q or "")
    fields = {term.field for term in terms}
    names = Names(
        categories=tuple(await queries.categories_of(session, workspace_id=workspace_id))
        if "cat" in fields or filters.category_id
        else (),
        members=tuple(await members_of(session, workspace_id=workspace_id)) if "payer" in fields else (),
        former=tuple(await former_members_of(session, workspace_id=workspace_id, at_most=MOST_MEMBERS))
        if "payer" in fields
        else (),
        accounts=tuple(await accounts_of(session, workspace_id=workspace_id)) if "account" in fields else (),
        base_currency=membership.workspace.base_currency,
        own_id=membership.user_id,
    )
    return criteria_of(filters, terms, names)
