"""Listing and changing categories; part of `ledger.service`.

A workspace gets its first categories when somebody first asks for them. The rows' ids follow from the workspace,
so any number of requests may do that at once, without a lock: all but one find that there is nothing to insert.
Changes wait for each other (`lock_categories`), because two that are right alone can make a third level together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import NotFound
from expenses.ids import uuid7
from expenses.ledger import queries
from expenses.ledger.categories import Category, default_categories, placed
from expenses.versions import check_version
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from datetime import datetime

    from expenses.accounts.model import Actor
    from expenses.audit.model import Action as Deed
    from expenses.db import Session
    from expenses.ledger.categories import CategoryChange, CategoryDraft
    from expenses.workspaces.model import Workspace


async def list_categories(
    session: Session, *, actor: Actor, workspace_id: UUID, with_archived: bool = False
) -> list[Category]:
    """The categories of a workspace in the order of their positions; parents and children mixed.

    Raises:
        NotFound: The actor does not belong to the workspace.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.categories_of(session, workspace_id=workspace_id)
    if not found:
        async with transaction(session):
            found = await _with_defaults(session, membership.workspace)
    return [each for each in found if with_archived or each.archived_at is None]


async def categories_on_page(
    session: Session, *, actor: Actor, workspace_id: UUID, with_archived: bool, limit: int, cursor: str | None = None
) -> Page[Category]:
    """A page of `list_categories`; raises what that raises, and `InvalidCursor`."""
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    listing: Listing[Category] = Listing(
        f"categories {workspace_id} {with_archived}",
        (int, str, UUID),
        lambda each: (each.position, each.name, each.id),
    )
    asked: dict[str, Any] = {
        "workspace_id": workspace_id,
        "with_archived": with_archived,
        "after": listing.key_in(cursor),
    }
    found = await queries.categories_of(session, **asked, limit=limit + 1)
    if not found and cursor is None and not await queries.categories_of(session, workspace_id=workspace_id, limit=1):
        async with transaction(session):
            await _with_defaults(session, membership.workspace)
        found = await queries.categories_of(session, **asked, limit=limit + 1)
    return listing.page(found, limit=limit)


async def get_category(session: Session, *, actor: Actor, workspace_id: UUID, category_id: UUID) -> Category:
    """One category, an archived one too. Raises `NotFound` for strangers too."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.category_with_id(session, workspace_id=workspace_id, category_id=category_id)
    if found is None:
        raise NotFound
    return found


async def add_category(
    session: Session, *, actor: Actor, workspace_id: UUID, draft: CategoryDraft, now: datetime
) -> Category:
    """Make a category.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        InvalidParent, CategoryExists, TooManyCategories: It has no place in the tree.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_CATEGORIES)
    async with transaction(session):
        among = await _locked(session, membership.workspace)
        new = placed(draft, category_id=uuid7(now), among=among)
        await queries.insert_categories(session, workspace_id=workspace_id, new=[new])
        await _record(session, "create", None, new, actor=actor, workspace_id=workspace_id, now=now)
    return new


async def change_category(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    category_id: UUID,
    change: CategoryChange,
    expected: str | None = None,
    now: datetime,
) -> Category:
    """The category as it is afterwards.

    Raises:
        NotFound: No such category, it is archived, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The category has another version than the expected one.
        Invalid, CategoryExists: It cannot be as it would be, or not at that place.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_CATEGORIES)
    async with transaction(session):
        among = await _locked(session, membership.workspace)
        before = _in_use(category_id, among)
        check_version(expected, before.snapshot())
        after = placed(change.applied_to(before), category_id=category_id, among=among, moving=before)
        if after != before:
            await queries.store_category(session, workspace_id=workspace_id, changed=after)
            await _record(session, "change", before, after, actor=actor, workspace_id=workspace_id, now=now)
    return after


async def archive_category(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    category_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> None:
    """Archive a category and those below it: their expenses stay in them, new ones cannot be.

    Raises:
        NotFound: No such category, it is archived, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The category has another version than the expected one.
    """
    membership = await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_CATEGORIES)
    async with transaction(session):
        among = await _locked(session, membership.workspace)
        chosen = _in_use(category_id, among)
        check_version(expected, chosen.snapshot())
        for before in [chosen, *(each for each in among if each.parent_id == chosen.id)]:
            if before.archived_at is None:
                after = replace(before, archived_at=now)
                await queries.store_category(session, workspace_id=workspace_id, changed=after)
                await _record(session, "archive", before, after, actor=actor, workspace_id=workspace_id, now=now)


async def _locked(session: Session, workspace: Workspace) -> list[Category]:
    await queries.lock_categories(session, workspace_id=workspace.id)
    found = await queries.categories_of(session, workspace_id=workspace.id)
    return found or await _with_defaults(session, workspace)


async def _with_defaults(session: Session, workspace: Workspace) -> list[Category]:
    # They count as made with the workspace, by nobody in particular: not by whoever happened to look first.
    at = workspace.created_at
    defaults = list(default_categories(workspace.id))
    inserted = await queries.insert_categories(session, workspace_id=workspace.id, new=defaults)
    events = [event_of("create", before=None, after=each, actor_id=None, now=at) for each in defaults]
    if mine := [event for event in events if event.entity_id in inserted]:
        await insert_audit_events(session, workspace_id=workspace.id, new=mine)
    return await queries.categories_of(session, workspace_id=workspace.id)


def _in_use(category_id: UUID, among: list[Category]) -> Category:
    found = next((each for each in among if each.id == category_id), None)
    if found is None or found.archived_at is not None:
        raise NotFound
    return found


async def _record(
    session: Session,
    action: Deed,
    before: Category | None,
    after: Category,
    *,
    actor: Actor,
    workspace_id: UUID,
    now: datetime,
) -> None:
    event = event_of(action, before=before, after=after, actor_id=actor.user_id, now=now)
    await insert_audit_events(session, workspace_id=workspace_id, new=[event])
