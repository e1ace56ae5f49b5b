"""Changing many expenses at once: what can be asked for, and what becomes of each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from expenses.errors import Conflict
from expenses.ledger.model import UNSET, ExpenseChange, Unset, marked, rewritten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from expenses.ledger.model import Expense

MOST_AT_ONCE: Final = 500
"""Expenses that one request changes: more than a page shows, and half a second of work."""

Deed = Literal["change", "delete", "restore"]


class BulkRefused(Conflict):
    """Nothing was changed, because some of these expenses cannot be changed like that."""

    code = "bulk_refused"
    remedy = "`errors` names each of those expenses by its place in the request; leave them out or mend them."


@dataclass(frozen=True, slots=True)
class Target:
    """One expense to change, and the version it must have; any, if there is none."""

    id: UUID
    version: int | None = None


@dataclass(frozen=True, slots=True)
class BulkChange:
    """What shall be different about all of them; fields that are `UNSET` stay as they are."""

    merchant: str | Unset = UNSET
    category_id: UUID | Unset | None = UNSET
    payer_id: UUID | Unset | None = UNSET
    account_id: UUID | Unset | None = UNSET
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()

    def applied_to(self, expense: Expense, *, now: datetime) -> Expense:
        """The next version, or this very one if there is nothing new. Raises `Invalid` as an `ExpenseDraft` does."""
        kept = tuple(tag for tag in expense.tags if tag not in self.remove_tags)
        change = ExpenseChange(
            merchant=self.merchant,
            category_id=self.category_id,
            payer_id=self.payer_id,
            account_id=self.account_id,
            tags=kept + tuple(tag for tag in self.add_tags if tag not in kept),
        )
        return rewritten(expense, change.applied_to(expense), now=now)


@dataclass(frozen=True, slots=True)
class Order:
    """What to do with all of them."""

    deed: Deed
    change: BulkChange = BulkChange()

    def done_to(self, expense: Expense, *, now: datetime) -> Expense:
        """What becomes of one: itself, if it is like that already. Raises `Invalid` if it cannot be like that."""
        if self.deed == "change":
            return self.change.applied_to(expense, now=now)
        if (self.deed == "delete") == (expense.deleted_at is not None):
            return expense
        return marked(expense, deleted_at=now if self.deed == "delete" else None, now=now)

    def fault(self, target: Target, found: Expense | None) -> str | None:
        """Why this cannot be done to what was found there, if it cannot."""
        if found is None:
            return "There is no such expense."
        if found.deleted_at is not None and self.deed == "change":
            return "It is in the trash; restore it first."
        if target.version is not None and target.version != found.version:
            return f"It was changed in the meantime: it has version {found.version}, not {target.version}."
        return None


def named_twice(targets: Sequence[Target]) -> list[tuple[str, str]]:
    """Places and faults of those that stand in a request a second time."""
    seen: set[UUID] = set()
    faults: list[tuple[str, str]] = []
    for place, target in enumerate(targets):
        if target.id in seen:
            faults.append((place_name(place), "It stands here twice."))
        seen.add(target.id)
    return faults


def place_name(place: int) -> str:
    """How an error calls the expense at this place of a request."""
    return f"expenses.{place}"


def outcome(before: Expense, after: Expense) -> dict[str, Any]:
    """What the API answers about one of them."""
    return {"id": str(after.id), "version": after.version, "changed": after is not before}
