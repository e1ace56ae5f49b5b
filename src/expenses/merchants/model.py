"""What a merchant is: a name that expenses share, in whatever case, and how the latest of them was. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from expenses.errors import Conflict

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

DEFAULT_SUGGESTIONS: Final = 10
MOST_SUGGESTIONS: Final = 50
"""Merchants in one answer: more than anybody reads."""

MOST_MERGED: Final = 50
"""Names that one request makes into one."""

MOST_RENAMED: Final = 10_000
"""Expenses that one request renames: a few seconds in one transaction, during which others wait to change them."""


class TooManyExpenses(Conflict):
    """This merchant has more expenses than one request may rename."""

    code = "too_many_expenses"
    remedy = "Rename them in parts: search for `merchant:` with `from:` and `to:`, and use `POST …/expenses/bulk`."


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant, spelled as on its latest expense, with what that expense said."""

    name: str
    last_spent_on: date
    last_category_id: UUID | None
    last_currency: str
    last_account_id: UUID | None

    def snapshot(self) -> dict[str, Any]:
        """The merchant as plain JSON values."""
        return {
            "name": self.name,
            "last_spent_on": self.last_spent_on.isoformat(),
            "last_category_id": str(self.last_category_id) if self.last_category_id else None,
            "last_currency": self.last_currency,
            "last_account_id": str(self.last_account_id) if self.last_account_id else None,
        }
