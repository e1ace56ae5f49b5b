"""What the security page says in place of codes, and what it offers to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expenses.accounts.model import EventKind

EVENTS: dict[EventKind, str] = {
    "signed_in": "Signed in",
    "session_ended": "A browser was signed out",
    "other_sessions_ended": "All other browsers were signed out",
    "token_made": "API token made",
    "token_revoked": "API token revoked",
    "second_factor_on": "Second factor turned on",
    "second_factor_off": "Second factor turned off",
    "second_factor_refused": "A wrong code was given",
    "second_factor_reset": "Second factor turned off by whoever runs this service",
    "recovery_code_used": "A recovery code was used",
    "recovery_codes_made": "New recovery codes made",
    "password_changed": "Password changed",
    "password_reset": "Password replaced by whoever runs this service",
    "email_changed": "E-mail address changed, from",
}

SCOPES = {
    "read": "read only",
    "read write": "read and write",
    "read write admin": "everything, this account too",
}
"""Sets of scopes that the page offers, as the form sends them."""

LIFETIMES = {"7": "a week", "30": "30 days", "90": "90 days", "365": "a year"}
"""Days that the page offers."""

DONE = {
    "profilesaved": "Saved.",
    "passwordchanged": "Password changed; your other browsers are signed out.",
    "tokenrevoked": "Token revoked.",
    "sessionended": "That browser is signed out.",
    "othersended": "All other browsers are signed out.",
    "factoroff": "The second factor is off.",
}
"""What a page says after a redirect (`web.flash`)."""


def scopes_text(scopes: tuple[str, ...]) -> str:
    """What a token with these scopes may do."""
    known = {frozenset(names.split()): text for names, text in SCOPES.items()}
    return known.get(frozenset(scopes), " and ".join(scopes))
