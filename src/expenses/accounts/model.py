"""What accounts are made of; what e-mail addresses, passwords and names may look like. Pure: no I/O, no clock.

ServiceError
├── Unauthenticated
│   ├── WrongCredentials      at the sign-in
│   └── InvalidToken          later
├── Forbidden
│   ├── RegistrationClosed
│   ├── InsufficientScope
│   ├── ScopeExceeded         a token asks for more than it has itself
│   └── WrongCSRFToken
├── Conflict
│   ├── EmailTaken
│   └── TooManyTokens
├── TooManyRequests
│   └── TooManyAttempts
└── Busy                      503: passwords are hashed a few at a time

Those about proving once more who one is stand in `factors`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from expenses.errors import Conflict, Forbidden, Invalid, ServiceError, TooManyRequests, Unauthenticated

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from expenses.accounts.standing import Standing

Scope = Literal["read", "write", "admin"]
"""What a token may be used for. `admin` is about the account itself: making tokens, ending sessions, the second factor,
the password, the address. It is no right in a workspace: that is the role."""

ALL_SCOPES: frozenset[Scope] = frozenset({"read", "write", "admin"})

DEFAULT_SCOPES: frozenset[Scope] = frozenset({"read", "write"})
"""What a token gets that asks for nothing: enough for every expense, and no way to take over the account."""

EventKind = Literal[
    "signed_in",
    "session_ended",
    "other_sessions_ended",
    "token_made",
    "token_revoked",
    "second_factor_on",
    "second_factor_off",
    "second_factor_refused",
    "second_factor_reset",
    "recovery_code_used",
    "recovery_codes_made",
    "password_changed",
    "password_reset",
    "email_changed",
]
"""What is written down about an account. `…_reset` was done by whoever runs the service."""

EMAIL_MAX_LENGTH = 254
"""Characters; the longest address that SMTP carries (RFC 5321, 4.5.3.1.3, less the angle brackets)."""

PASSWORD_MIN_LENGTH = 10
"""Characters."""

PASSWORD_MAX_BYTES = 1024
"""Enough for any passphrase, and few enough to cost nothing before the hash makes them equal."""

NAME_MAX_LENGTH = 100
"""Characters of a person's, a token's or a workspace's name."""

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
"""What browsers accept in `<input type=email>` (HTML standard, 4.10.5.1.5), so that page and API agree."""


class EmailTaken(Conflict):
    """There is already an account with this e-mail address."""

    code = "email_taken"
    remedy = "Sign in, or register another address."


class RegistrationClosed(Forbidden):
    """New accounts are made by whoever runs this service."""

    code = "registration_closed"
    remedy = "Ask whoever runs the service for an account."


class WrongCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "wrong_credentials"
    remedy = "Check both, and send them again; after ten wrong passwords there is a wait."


class InvalidToken(Unauthenticated):
    """This token or session is unknown, expired or revoked; sign in again."""

    code = "invalid_token"


class InsufficientScope(Forbidden):
    """This token may not do this; make one with the scope that it needs."""

    code = "insufficient_scope"
    remedy = "Make a token with the scope that `detail` names, under `/api/v1/me/tokens` or on the page."


class ScopeExceeded(Forbidden):
    """A token can only make tokens that may do less than itself; sign in with the password for one that may do more."""

    code = "scope_exceeded"
    remedy = "Ask for fewer scopes, or sign in with the password."


class WrongCSRFToken(Forbidden):
    """The form is out of date; load the page again."""

    code = "wrong_csrf_token"
    remedy = "Load the page again. A program sends a bearer token instead, or the session's token in `X-CSRF-Token`."


class TooManyTokens(Conflict):
    """You have as many API tokens as one can have; revoke one that is no longer used."""

    code = "too_many_tokens"
    remedy = "Revoke a token that is no longer used: `DELETE /api/v1/me/tokens/{token_id}`."


class TooManyAttempts(TooManyRequests):
    """Too many attempts; wait until they are forgotten."""

    code = "too_many_attempts"


class Busy(ServiceError):
    """Too many people are signing in at this moment; try again in a second."""

    status = 503
    code = "busy"
    remedy = "Send the request again in a second."


@dataclass(frozen=True, slots=True)
class User:
    """One person's account."""

    id: UUID
    email: str
    display_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that could be made: everything about it is valid, and its password is already hashed."""

    user: User
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sign-in is checked against."""

    user: User
    password_hash: str = field(repr=False)
    is_disabled: bool
    has_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a request, and by which right."""

    user_id: UUID
    email: str
    display_name: str
    scopes: frozenset[str]
    via: Literal["token", "session"]
    csrf_token: str | None = field(default=None, repr=False)
    """What a form of this session must carry; a token's requests need none."""
    credential_id: UUID | None = None
    """Which token or session it is."""
    expires_at: datetime | None = None
    """When that token or session ends."""
    standing: Standing | None = field(default=None, repr=False, compare=False)
    """`None`: the request names no workspace, or it was not asked."""


@dataclass(frozen=True, slots=True)
class Token:
    """What its owner may see of an API token later: everything but the token."""

    id: UUID
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """What its owner may see of a page session."""

    id: UUID
    device: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One thing that happened to an account."""

    id: UUID
    kind: EventKind
    detail: str | None
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class NewToken:
    """An API token at the only moment when it can be read."""

    token: str = field(repr=False)
    scopes: frozenset[Scope]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A page session at the only moment when its token can be read."""

    token: str = field(repr=False)
    csrf_token: str = field(repr=False)
    expires_at: datetime


def parse_email(text: str) -> str:
    """The address in the one form in which it is stored and looked up: trimmed and in lower case.

    Raises:
        Invalid: It is not an e-mail address. Addresses beyond ASCII are refused, as browsers do.
    """
    email = text.strip().lower() if len(text) <= 2 * EMAIL_MAX_LENGTH else ""
    if len(email) > EMAIL_MAX_LENGTH or not _EMAIL.fullmatch(email):
        raise Invalid("This is not an e-mail address.", field="email")
    return email


def parse_name(text: str, *, field: str) -> str:
    """A name of one line, trimmed.

    Raises:
        Invalid: It is empty, longer than `NAME_MAX_LENGTH`, or holds control characters; carries `field`.
    """
    name = text.strip() if len(text) <= 2 * NAME_MAX_LENGTH else text
    if not name or len(name) > NAME_MAX_LENGTH:
        raise Invalid(f"It must have 1 to {NAME_MAX_LENGTH} characters.", field=field)
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        raise Invalid("It must be one line without control characters.", field=field)
    return name


def check_password(password: str, *, field: str = "password") -> None:
    """Refuse a password that is too short to be safe or too long to be one.

    Raises:
        Invalid: Fewer than `PASSWORD_MIN_LENGTH` characters, more than `PASSWORD_MAX_BYTES` bytes, or no
            text; carries `field`.
    """
    if len(password) < PASSWORD_MIN_LENGTH:
        raise Invalid(f"The password must have at least {PASSWORD_MIN_LENGTH} characters.", field=field)
    if not is_possible_password(password):
        raise Invalid(f"The password must be text of at most {PASSWORD_MAX_BYTES} bytes in UTF-8.", field=field)


def is_possible_password(text: str) -> bool:
    """Whether any account could have this password; says nothing about a particular account."""
    if len(text) > PASSWORD_MAX_BYTES:
        return False
    try:
        return len(text.encode()) <= PASSWORD_MAX_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can say it, UTF-8 cannot
        return False
