"""What a second factor is to its owner, and how it refuses. Pure; its arithmetic is in `totp`.

ServiceError
├── Unauthenticated           at the sign-in
│   ├── SecondFactorRequired  the password was right
│   ├── WrongSecondFactor
│   └── SignInExpired         between the password and the code
├── Forbidden                 later, before something that matters
│   ├── WrongPassword
│   └── WrongCode
└── Conflict
    └── SecondFactorState     it is on, or off, or was not begun
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from expenses.errors import Conflict, Forbidden, Unauthenticated

if TYPE_CHECKING:
    from datetime import datetime


class SecondFactorRequired(Unauthenticated):
    """The password is right; this account also asks for the code of its authenticator app, or a recovery code."""

    code = "second_factor_required"
    remedy = "Ask for the code, and send the form again with it in the field `code`."

    def __init__(self, step_token: str | None = None) -> None:
        super().__init__(field="code")
        self.step_token = step_token
        """What the browser shows together with the code; none for the API, which sends both at once."""


class WrongSecondFactor(Unauthenticated):
    """This code is wrong or was used before; take the one that the app shows next, or a recovery code."""

    code = "wrong_second_factor"
    remedy = "Wait for the next code and send the form again; a recovery code works once."


class SignInExpired(Unauthenticated):
    """It took too long, or the account has changed; begin again with the password."""

    code = "sign_in_expired"
    remedy = "Sign in from the beginning."


class WrongPassword(Forbidden):
    """This is not your password."""

    code = "wrong_password"
    remedy = "Send your present password."


class WrongCode(Forbidden):
    """This code is wrong or was used before; take the one that the app shows next."""

    code = "wrong_code"
    remedy = "Wait for the next code; a recovery code works once."


class SecondFactorState(Conflict):
    """The second factor is already on; turn it off first."""

    code = "second_factor_state"
    remedy = "Look at `GET /api/v1/me/second-factor` first."


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What the service knows of somebody's second factor."""

    secret: bytes = field(repr=False)
    created_at: datetime
    enabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class FactorStatus:
    """What its owner may see of it."""

    enabled_at: datetime | None
    recovery_codes_left: int


@dataclass(frozen=True, slots=True)
class NewFactor:
    """A second factor at the only moment when its secret can be read; not on before a code from it was seen."""

    secret: str = field(repr=False)
    address: str = field(repr=False)
    """What the QR code says."""
