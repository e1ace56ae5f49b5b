"""What a payment account is. Pure: no I/O, no clock.

It is a label to look expenses up by, such as "Joint card"; the service keeps no balance of it. Its currency is a
suggestion for forms: a card pays in other currencies too.

    UnknownAccount           not in this workspace, or archived
    InvalidAccount           a blank or overlong name
    AccountExists            there is one of this name
    TooManyAccounts          as many as a workspace can have
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from expenses.errors import Conflict, Invalid

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

Kind = Literal["cash", "bank", "card", "other"]
"""What sort of account it is."""

LONGEST_NAME: Final = 100
"""Characters. The database checks it too."""

MOST_ACCOUNTS: Final = 200
"""Payment accounts of one workspace, archived ones too: forms show them all."""


class UnknownAccount(Invalid):
    """There is no such payment account in this workspace."""

    code = "unknown_account"


class InvalidAccount(Invalid):
    """The name of a payment account has 1 to 100 characters, not all of them blank."""

    code = "invalid_account"


class AccountExists(Conflict):
    """There is already a payment account with this name; choose another name, or archive that one."""

    code = "account_exists"


class TooManyAccounts(Conflict):
    """There are as many payment accounts as a workspace can have."""

    code = "too_many_accounts"


@dataclass(frozen=True, slots=True)
class PaymentAccount:
    """One payment account of a workspace."""

    entity: ClassVar[str] = "payment_account"

    id: UUID
    name: str
    kind: Kind
    currency: str | None
    created_at: datetime
    archived_at: datetime | None = None

    def snapshot(self) -> dict[str, object]:
        """The account as plain JSON values, as the API shows it and the record of changes keeps it."""
        return {
            "id": str(self.id),
            "name": self.name,
            "kind": self.kind,
            "currency": self.currency,
            "is_archived": self.archived_at is not None,
        }

    def changed(self, *, name: str | None, kind: Kind | None, currency: str | None) -> PaymentAccount:
        """The account with what is given in place of what was; an empty currency takes it away."""
        return replace(
            self,
            name=self.name if name is None else parse_name(name),
            kind=kind or self.kind,
            currency=self.currency if currency is None else currency or None,
        )


def parse_name(text: str) -> str:
    """The name without blanks around it. Raises `InvalidAccount` for what nobody could read or no database stores."""
    name = text.strip()
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name or not name.isprintable():
        raise InvalidAccount(field="name")
    return name
