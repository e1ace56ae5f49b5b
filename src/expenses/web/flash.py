"""One sentence that survives a redirect: what was just done, and to which thing.

The cookie holds a word and an id, no text of the user's; the page that shows it looks the thing up again with the
rights of whoever is signed in by then. It lasts a minute, goes only to its own workspace's pages, and is taken away
when shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE = "done"

LIFETIME_S = 60
"""Long enough for a slow redirect; a sentence about something older would only confuse."""


@dataclass(frozen=True)
class Done:
    """What was done (`added`, `saved`, `deleted`, `restored`, …) to which thing."""

    action: str
    subject: UUID


def remember(request: Request, response: Response, *, path: str, done: Done) -> None:
    """Send `done` along with a redirect; pages below `path` can `recall` it."""
    value = f"{done.action}.{done.subject}"
    secure = bool(request.app.state.settings.secure_cookies)
    response.set_cookie(COOKIE, value, max_age=LIFETIME_S, path=path, httponly=True, secure=secure, samesite="strict")


def recall(request: Request) -> Done | None:
    """What the last action was, if it was just now and the cookie is well-formed."""
    action, _, subject = request.cookies.get(COOKIE, "").partition(".")
    try:
        return Done(action, UUID(subject)) if action.isalpha() else None
    except ValueError:
        return None


def forget(request: Request, response: Response, *, path: str) -> None:
    """Show it once only."""
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, path=path)
