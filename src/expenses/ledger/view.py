"""What an expense says, for people who read it: one who may not change it, one whose change came too late. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expenses.ledger.model import UNSET
from expenses.web.figures import grouped, short_day

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from expenses.ledger.model import Expense, ExpenseChange
    from expenses.ledger.splits import Split


@dataclass(frozen=True, slots=True)
class Names:
    """What ids stand for."""

    people: Mapping[UUID, str]
    categories: Mapping[UUID, str]

    def person(self, user_id: UUID) -> str:
        """Somebody's name."""
        return self.people.get(user_id, "Somebody who left")


def told(expense: Expense, names: Names) -> dict[str, tuple[str, str]]:
    """What it says: labels and texts, by field; the text is empty where there is nothing."""
    category = names.categories.get(expense.category_id, "") if expense.category_id else ""
    return {
        "amount": ("Amount", f"{grouped(expense.amount.decimal_text())} {expense.amount.currency.code}"),
        "spent_on": ("Day", short_day(expense.spent_on)),
        "merchant": ("Where", expense.merchant),
        "category_id": ("Category", "Several, see below" if expense.lines else category),
        "payer_id": ("Who paid", names.person(expense.payer_id) if expense.payer_id else ""),
        "split": ("Divided", _division(expense.split, names)),
        "note": ("Note", expense.note),
        "tags": ("Tags", ", ".join(expense.tags)),
    }


def overwritten(change: ExpenseChange, now: Expense, names: Names) -> tuple[tuple[str, str], ...]:
    """What the expense says where the change would have it say something else."""
    return tuple(each for field, each in told(now, names).items() if _differs(field, getattr(change, field), now))


def _differs(field: str, wanted: Any, now: Expense) -> bool:  # noqa: ANN401 - each field has a type of its own
    if wanted is UNSET or (field == "category_id" and now.lines):
        return False
    return bool(wanted != getattr(now, field))


def _division(split: Split | None, names: Names) -> str:
    if split is None:
        return ""
    among = ", ".join(sorted(names.person(each) for each in split.user_ids))
    return f"{'evenly' if split.mode == 'even' else 'not evenly'} among {among}"
