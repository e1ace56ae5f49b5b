"""Which forms are believed that somebody sends who is not signed in: those that bring the double-submit token.

The same random value stands in the form and in a cookie that no other site can read and that, over HTTPS, no
neighbouring subdomain can set either (`__Host-`). Once signed in, the session has a token of its own.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from expenses.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

FIELD = "csrf_token"
"""Name of the hidden form field."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class FormExpired(Forbidden):
    """This form is out of date; load the page again and repeat it. Cookies must be allowed."""

    code = "form_expired"
    remedy = "Load the page again, and send the form that it has now."


def form_token(request: Request) -> str:
    """The token for a form on this answer: the one that the visitor's cookie holds already, or a new one."""
    return _kept_token(request) or secrets.token_urlsafe(32)


def keep_form_token(request: Request, response: Response, token: str) -> None:
    """Send the token along as a cookie too; it ends with the browser's session."""
    secure = bool(request.app.state.settings.secure_cookies)
    response.set_cookie(_cookie_name(request), token, path="/", httponly=True, secure=secure, samesite="strict")


def check_form_token(request: Request, fields: Mapping[str, str]) -> None:
    """Refuse a form whose token is not the cookie's.

    Raises:
        FormExpired: One of them is missing, or they differ.
    """
    kept = _kept_token(request)
    if kept is None or not secrets.compare_digest(fields.get(FIELD, "").encode(), kept.encode()):
        raise FormExpired


def _kept_token(request: Request) -> str | None:
    value = request.cookies.get(_cookie_name(request), "")
    return value if _TOKEN.fullmatch(value) else None


def _cookie_name(request: Request) -> str:
    return "__Host-expenses_form" if request.app.state.settings.secure_cookies else "expenses_form"
