"""Listing and changing payment accounts: all in a workspace see them, whoever may write expenses changes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from expenses.audit.model import event_of
from expenses.audit.queries import insert_audit_events
from expenses.cursor import Listing, Page
from expenses.db import transaction
from expenses.errors import NotFound
from expenses.ids import uuid7
from expenses.money import currency_in_use
from expenses.payments import queries
from expenses.payments.model import (
    MOST_ACCOUNTS,
    AccountExists,
    PaymentAccount,
    TooManyAccounts,
    UnknownAccount,
    parse_name,
)
from expenses.versions import check_version
from expenses.workspaces.rights import Action, authorize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from expenses.accounts.model import Actor
    from expenses.audit.model import Action as Deed
    from expenses.db import Session
    from expenses.payments.model import Kind


async def list_accounts(
    session: Session, *, actor: Actor, workspace_id: UUID, with_archived: bool = False
) -> list[PaymentAccount]:
    """The payment accounts of a workspace by name. Raises `NotFound` for strangers."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    return await queries.accounts_of(session, workspace_id=workspace_id, with_archived=with_archived)


async def accounts_on_page(
    session: Session, *, actor: Actor, workspace_id: UUID, with_archived: bool, limit: int, cursor: str | None = None
) -> Page[PaymentAccount]:
    """A page of `list_accounts`; raises what that raises, and `InvalidCursor`."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    scope = f"payment accounts {workspace_id} {with_archived}"
    listing: Listing[PaymentAccount] = Listing(scope, (str, UUID), lambda each: (each.name, each.id))
    after = listing.key_in(cursor)
    found = await queries.accounts_of(
        session, workspace_id=workspace_id, with_archived=with_archived, after=after, limit=limit + 1
    )
    return listing.page(found, limit=limit)


async def get_account(session: Session, *, actor: Actor, workspace_id: UUID, account_id: UUID) -> PaymentAccount:
    """One payment account, an archived one too. Raises `NotFound` for strangers too."""
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.SEE_LEDGER)
    found = await queries.account_with_id(session, workspace_id=workspace_id, account_id=account_id)
    if found is None:
        raise NotFound
    return found


async def check_accounts(session: Session, *, workspace_id: UUID, among: set[UUID]) -> None:
    """Raise `UnknownAccount` unless all of these can be chosen; does not ask whether the actor may."""
    if among and among != await queries.accounts_in_use(session, workspace_id=workspace_id, among=among):
        raise UnknownAccount(field="account_id")


async def add_account(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    name: str,
    kind: Kind = "other",
    currency: str | None = None,
    now: datetime,
) -> PaymentAccount:
    """Make a payment account.

    Raises:
        NotFound: The actor does not belong to the workspace.
        Forbidden: The actor may only read.
        InvalidAccount, UnknownCurrency, WithdrawnCurrency: It cannot be like this.
        AccountExists, TooManyAccounts: There is no room for it.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_ACCOUNTS)
    new = PaymentAccount(uuid7(now), parse_name(name), kind, _currency(currency, now), now)
    async with transaction(session):
        among = await _locked(session, workspace_id=workspace_id)
        if len(among) >= MOST_ACCOUNTS:
            raise TooManyAccounts
        _check_name(new, among)
        await queries.insert_account(session, workspace_id=workspace_id, new=new)
        await _record(session, "create", None, new, actor=actor, workspace_id=workspace_id, now=now)
    return new


async def change_account(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    account_id: UUID,
    name: str | None = None,
    kind: Kind | None = None,
    currency: str | None = None,
    expected: str | None = None,
    now: datetime,
) -> PaymentAccount:
    """The payment account as it is afterwards; what is `None` stays, an empty currency is taken away.

    Raises:
        NotFound: No such account, it is archived, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The account has another version than the expected one.
        InvalidAccount, UnknownCurrency, WithdrawnCurrency, AccountExists: It cannot be like this.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_ACCOUNTS)
    async with transaction(session):
        among = await _locked(session, workspace_id=workspace_id)
        before = _in_use(account_id, among)
        check_version(expected, before.snapshot())
        if currency and currency != before.currency:
            currency = _currency(currency, now)
        after = before.changed(name=name, kind=kind, currency=currency)
        _check_name(after, among)
        if after != before:
            await queries.store_account(session, workspace_id=workspace_id, changed=after)
            await _record(session, "change", before, after, actor=actor, workspace_id=workspace_id, now=now)
    return after


async def archive_account(
    session: Session,
    *,
    actor: Actor,
    workspace_id: UUID,
    account_id: UUID,
    expected: str | None = None,
    now: datetime,
) -> None:
    """Archive a payment account: its expenses keep it, new ones cannot have it.

    Raises:
        NotFound: No such account, it is archived, or the actor does not belong to the workspace.
        Forbidden: The actor may only read.
        PreconditionFailed: The account has another version than the expected one.
    """
    await authorize(session, actor=actor, workspace_id=workspace_id, action=Action.CHANGE_ACCOUNTS)
    async with transaction(session):
        before = _in_use(account_id, await _locked(session, workspace_id=workspace_id))
        check_version(expected, before.snapshot())
        after = replace(before, archived_at=now)
        await queries.store_account(session, workspace_id=workspace_id, changed=after)
        await _record(session, "archive", before, after, actor=actor, workspace_id=workspace_id, now=now)


async def _locked(session: Session, *, workspace_id: UUID) -> list[PaymentAccount]:
    await queries.lock_accounts(session, workspace_id=workspace_id)
    return await queries.accounts_of(session, workspace_id=workspace_id)


def _in_use(account_id: UUID, among: Sequence[PaymentAccount]) -> PaymentAccount:
    found = next((each for each in among if each.id == account_id and each.archived_at is None), None)
    if found is None:
        raise NotFound
    return found


def _check_name(new: PaymentAccount, among: Sequence[PaymentAccount]) -> None:
    name = new.name.casefold()
    if any(each.name.casefold() == name and each.id != new.id and each.archived_at is None for each in among):
        raise AccountExists(field="name")


def _currency(code: str | None, now: datetime) -> str | None:
    return currency_in_use(code, on=now.date(), field="currency").code if code else None


async def _record(
    session: Session,
    action: Deed,
    before: PaymentAccount | None,
    after: PaymentAccount,
    *,
    actor: Actor,
    workspace_id: UUID,
    now: datetime,
) -> None:
    event = event_of(action, before=before, after=after, actor_id=actor.user_id, now=now)
    await insert_audit_events(session, workspace_id=workspace_id, new=[event])
